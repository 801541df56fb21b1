"""`make up` and `make down`: a local Ray head, the application on it, and the end of both."""

from __future__ import annotations
