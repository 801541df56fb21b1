"""What counts as a name that begins with a verb, and the names of files that no stranger would guess.

The list is of base forms (``parse``, ``list``) and of third persons that ask a question (``is``, ``has``, ``covers``).
Words that are a noun or an adjective in most names stay out, although English has a verb for them: ``page``, ``name``,
``view``, ``log``, ``step``, ``free``, ``state``. So do participles (``told``, ``seen``, ``kept``) and prepositions
(``to_json``, ``from_file``, ``with_rows``).
"""

from __future__ import annotations

_VERBS = """
abort accept acquire adapt add admit adopt advance aggregate align allocate allow announce answer append apply
approve arrange ask assemble assert assess assign attach await
become begin bind blame break build
calculate call cancel carry change check choose claim clamp classify clean clear close coarsen coerce collapse
collect combine compare compile complete compose compress compute conclude condense configure confirm connect
consume continue convert copy correct count crawl create cut
decide declare decode decrease deduce defer define delete deliver deny deploy derive descend describe detach
detect determine diagnose disable discard disconnect discover dispatch divide draw drop dump
embed emit enable encode end enforce enqueue ensure enter enumerate erase escape estimate evaluate evict examine
exclude execute expand expect expire explain explore export expose extend extract
fail feed fetch fill find finish fix flatten flush fold follow forbid forget format forward freeze
gather generate get give go grow guess
hide
identify ignore import include indicate infer initialize inject insert inspect install interpret invalidate
invoke issue iterate
join judge jump
keep kill
launch leave let list listen load locate look lower
make mask measure merge migrate move
narrow negotiate normalize note notify nudge
observe obtain offer omit open operate override
pack paginate parse pause percolate perform permit persist pick ping plan plot poll pop populate post predict
prefer prepare preserve print probe proceed produce promote prove provide prune publish pull purge push put
query quote
raise read rebuild receive recognise recognize reconcile reconfigure record recover redact redirect reduce
refresh refuse register reject release reload remember remove rename render renew repair repeat replace replay
reply report require reset resolve respond restart restore restrict resume retain retrieve retry return reverse
revert review rewrite roll rotate run
sanitize save say scan scrub search see seek select send separate serialize set settle shorten show shut
simplify skip sleep slice sort speak split start stop stream strip submit subscribe substitute subtract sum
summarize supervise suspend switch sync
tabulate take tell throttle touch track transform translate traverse trim truncate try turn
unlink unmap unmark unpack unwrap update upgrade upsert use
validate verify visit
wait wake walk warn watch weigh widen wipe withdraw wrap write
yield
"""

# A question that is answered with yes or no.
_PREDICATES = """
is are was has have had can could must may should does did will accepts agrees allows answers applies asks
begins belongs breaks claims comes contains covers depends differs equals exceeds excludes exists expects fails
fits follows goes hides includes keeps knows lacks leads lies looks loses matches means meets needs outranks
overlaps permits points proves reaches refers remains requires resembles saw says serves shares stays tells
touches uses waits wants
"""

_FORBIDDEN = """
told here looking cases unlisted holds movement telling wording shapes asking observing gathering diagnosing
keeping measuring meters weighing ending waiting blocking
"""

VERBS = frozenset(_VERBS.split())
PREDICATES = frozenset(_PREDICATES.split())
FORBIDDEN_MODULES = frozenset(_FORBIDDEN.split())


def is_verb(name: str) -> bool:
    """Whether a function's name begins with a verb. A leading underscore is no part of it."""
    first = name.lstrip("_").split("_")[0]
    return first in VERBS or first in PREDICATES
