"""More ways in which a program refuses its arguments, its settings or its environment variables."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="usage-in-a-box",
        code="app.usage-error",
        contains=(
            "│ Missing option ",
            "│ Missing argument ",
            "│ No such option: ",
            "│ Invalid value for ",
            "│ No such command ",
        ),
        matches=("│ Missing option '--model'.   │", "│ No such option: --modle       │"),
        near_misses=("│ Missing options │ 3 │",),
    ),
    Signature(
        name="flags-refused",
        code="app.usage-error",
        contains=(
            "FATAL Flags parsing error",
            "ERROR: Could not consume arg: ",
            "ERROR: The function received no value for the required argument",
            "arguments are not used by the HfArgumentParser",
            ": unrecognized option '",
            ": invalid option -- '",
            "Unknown option: -",
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "FATAL Flags parsing error:",
            "ERROR: Could not consume arg: --stpes",
            "ValueError: Some specified arguments are not used by the HfArgumentParser: ['--bf17']",
            "tar: unrecognized option '--fast'",
            "Unknown option: -q",
        ),
        near_misses=("Flags parsing errors are listed in the appendix", "Unknown option for the chart, ignored"),
    ),
    Signature(
        name="settings-file-malformed",
        code="app.usage-error",
        contains=(
            "yaml.scanner.ScannerError: ",
            "yaml.parser.ParserError: ",
            "yaml.constructor.ConstructorError: ",
            "TOMLDecodeError: ",
            "MissingSectionHeaderError: ",
            "configparser.NoSectionError: ",
            "configparser.NoOptionError: ",
            "MisconfigurationException: ",
        ),
        unless=r"[Nn]o supported gpu backend found",
        certainty=Certainty.LIKELY,
        matches=(
            "yaml.scanner.ScannerError: mapping values are not allowed here",
            "tomllib.TOMLDecodeError: Expected '=' after a key in a key/value pair (at line 4, column 7)",
            "configparser.NoSectionError: No section: 'storage'",
            "lightning.fabric.utilities.exceptions.MisconfigurationException: You selected an invalid strategy name",
        ),
        near_misses=("the TOMLDecodeError is caught", "MisconfigurationException: No supported gpu backend found!"),
    ),
    Signature(
        name="environment-variable-missing",
        code="app.usage-error",
        contains=("nvironment variable",),
        pattern=(
            r"(?:[Ee]rror|Exception): .{0,160}\benvironment variables? .{0,100}"
            r"(?:(?:is|are|was|were) (?:not set|missing|required|not defined|unset)|"
            r"expected, but not set|(?:must|has to|needs to) be set)|"
            r"(?:[Ee]rror|Exception): .{0,60}(?:[Mm]issing|[Uu]nset|[Pp]lease set).{0,60}nvironment variable"
        ),
        unless=r"RAY_AUTH|AZURE_STORAGE_ACCOUNT",
        certainty=Certainty.LIKELY,
        matches=(
            "ValueError: environment variable ACME_DB is not set",
            "KeyError: missing environment variable: ACME_TOKEN",
            "ValueError: Error initializing torch.distributed using env:// rendezvous: "
            "environment variable MASTER_ADDR expected, but not set",
        ),
        near_misses=("Error bars off; environment variable COLUMNS is used", "the environment variable A is not set"),
        advice=("Set the variable in env_vars of runtime_env: workers do not see those of the submitting shell.",),
    ),
    Signature(
        name="environment-of-rllib-unknown",
        code="app.usage-error",
        contains=(
            "The env string you provided (",
            "error.NameNotFound: ",
            "error.NamespaceNotFound: ",
            "UnsupportedSpaceException: ",
            "Unknown trainable: ",
        ),
        pattern=r"env string you provided \(|\bgym(?:nasium)?\.error\.Name|SpaceException: |Unknown trainable: ",
        certainty=Certainty.LIKELY,
        matches=(
            "ray.rllib.utils.error.EnvError: The env string you provided ('Cart-v9') is:",
            "gymnasium.error.NameNotFound: Environment `Cart` doesn't exist. Did you mean: `CartPole`?",
        ),
        near_misses=("The env string you set is used", "ldap.error.NameNotFound: cn=a"),
        advice=("Install the package of the environment on every node, or register it with ray.tune.register_env.",),
    ),
)
