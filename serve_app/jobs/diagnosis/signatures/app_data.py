"""Input and output of a program that are missing, forbidden or without credentials."""

from __future__ import annotations

from serve_app.jobs.diagnosis.models import Certainty
from serve_app.jobs.diagnosis.signature import Role, Signature

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="file-not-found",
        code="app.data-access",
        contains=("FileNotFoundError: ", "NotADirectoryError: ", "IsADirectoryError: "),
        unless=r"conda|podman|nvidia-smi|virtualenv",
        matches=("FileNotFoundError: [Errno 2] No such file or directory: '/data/x.csv'", "IsADirectoryError: [Errno 21] Is a directory: '/data'"),
        near_misses=("FileNotFoundError was handled",),
    ),
    Signature(
        name="permission",
        code="app.data-access",
        contains=("PermissionError: [Errno 13]", "PermissionError: [Errno 1]", "OSError: [Errno 30] Read-only file system", "OSError: [Errno 5] Input/output error", "OSError: [Errno 116] Stale file handle", "OSError: [Errno 122] Disk quota exceeded"),
        matches=("PermissionError: [Errno 13] Permission denied: '/out/a.csv'", "OSError: [Errno 30] Read-only file system: '/models'"),
        near_misses=("PermissionError was expected",),
    ),
    Signature(
        name="boto",
        code="app.data-access",
        contains=("botocore.exceptions.", "NoCredentialsError", "Unable to locate credentials", "An error occurred (AccessDenied)", "An error occurred (403)", "An error occurred (404)", "An error occurred (NoSuchKey)", "An error occurred (NoSuchBucket)", "An error occurred (ExpiredToken)", "An error occurred (InvalidAccessKeyId)", "An error occurred (SignatureDoesNotMatch)"),
        matches=("botocore.exceptions.NoCredentialsError: Unable to locate credentials", "botocore.errorfactory.NoSuchKey: An error occurred (NoSuchKey) when calling the GetObject operation"),
        near_misses=("found credentials in environment variables.",),
    ),
    Signature(
        name="arrow-io",
        code="app.data-access",
        contains=("AWS Error ", "GetFileInfo() yielded path", "When reading information for key", "Path does not exist '", "Could not open Parquet input source", "Failed to open local file", "HDFS connection failed"),
        unless=r"(?i)retry",
        matches=("OSError: When reading information for key 'a' in bucket 'b': AWS Error ACCESS_DENIED during HeadObject operation", "FileNotFoundError: GetFileInfo() yielded path 'b/x', which does not exist"),
        near_misses=("AWS region is us-west-2",),
    ),
    Signature(
        name="gcs-azure",
        code="app.data-access",
        contains=("google.api_core.exceptions.Forbidden", "google.api_core.exceptions.NotFound", "google.api_core.exceptions.Unauthorized", "google.auth.exceptions.", "azure.core.exceptions.", "gcsfs.retry.HttpError", "adlfs."),
        pattern=r"(?:google\.api_core\.exceptions|google\.auth\.exceptions|azure\.core\.exceptions|gcsfs\.retry)\.\w+:",
        matches=("google.auth.exceptions.DefaultCredentialsError: Your default credentials were not found.", "azure.core.exceptions.ResourceNotFoundError: The specified blob does not exist."),
        near_misses=("import google.auth.exceptions",),
    ),
    Signature(
        name="hub",
        code="app.data-access",
        contains=("RepositoryNotFoundError", "GatedRepoError", "LocalEntryNotFoundError", "is not a local folder and is not a valid model identifier", "EntryNotFoundError", "HFValidationError", "We couldn't connect to 'https://huggingface.co'", "does not appear to have a file named"),
        unless=r"raise |except ",
        matches=("OSError: llama-9 is not a local folder and is not a valid model identifier listed on the hub", "huggingface_hub.errors.GatedRepoError: 403 Client Error."),
        near_misses=("the model identifier is valid",),
    ),
    Signature(
        name="http-refused",
        code="app.data-access",
        contains=("HTTPError: 4", "HTTP Error 4", "Client Error: "),
        pattern=r"(?:HTTPError|HTTP Error|HTTPStatusError)\b.{0,20}\b(?:401|403|404|407|410)\b",
        matches=("requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: http://x/y", "urllib.error.HTTPError: HTTP Error 404: Not Found"),
        near_misses=("HTTPError: 429 Client Error: Too Many Requests",),
    ),
    Signature(
        name="connection-refused",
        code="app.data-access",
        contains=("ConnectionRefusedError: ", "Connection refused", "Name or service not known", "Temporary failure in name resolution", "nodename nor servname provided", "Max retries exceeded with url", "Could not connect to the endpoint URL", "getaddrinfo failed"),
        pattern=r"(?:Error|Exception|URLError|gaierror)\b.{0,400}(?:Connection refused|Connect call failed|not known|name resolution|nodename nor|Max retries exceeded|Could not connect|getaddrinfo failed)|ConnectionRefusedError: ",
        unless=r"(?i)\bgcs\b|raylet|:6379|metrics|opentelemetry|otlp|exporter|usage.?stats|grpc_|retrying|will retry",
        certainty=Certainty.LIKELY,
        matches=("ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.5', 5432)", "socket.gaierror: [Errno -2] Name or service not known"),
        near_misses=("Connection refused, retrying in 3 s",),
    ),
    Signature(
        name="database",
        code="app.data-access",
        contains=("OperationalError: ", "OperationalError) ", "InterfaceError) ", "psycopg2.errors.", "pymysql.err.", "redis.exceptions.ConnectionError", "redis.exceptions.AuthenticationError", "pymongo.errors.ServerSelectionTimeoutError", "asyncpg.exceptions."),
        matches=("sqlite3.OperationalError: unable to open database file", "sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server failed"),
        near_misses=("the OperationalError is retried by the pool",),
    ),
    Signature(
        name="bad-data-file",
        code="app.data-access",
        contains=("ArrowInvalid: Parquet magic bytes not found", "EmptyDataError: No columns to parse", "SafetensorError", "zipfile.BadZipFile", "UnpicklingError", "tarfile.ReadError", "Error while deserializing header"),
        role=Role.CAUSE,
        certainty=Certainty.LIKELY,
        matches=("pyarrow.lib.ArrowInvalid: Parquet magic bytes not found in footer.", "pandas.errors.EmptyDataError: No columns to parse from file"),
        near_misses=("the parquet file has no rows",),
    ),
)
