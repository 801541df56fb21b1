"""What every answer of the API looks like: one module per noun of the URLs. Types alone, which every layer may import.

Views and answers build plain dicts of these types (mypy holds them to it); routes name them as ``response_model``, from
which OpenAPI is made; a test holds recorded and live answers to what is published. Nothing is validated at run time.
A new field is one line here, with its meaning, its unit and an example.
"""

from __future__ import annotations
