"""More stores, hubs, databases and services that refuse a program or do not have what it asks for."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="data-file-cannot-be-opened",
        code="app.data-access",
        contains=(
            "OSError: Unable to open file (",
            "OSError: Unable to synchronously open file (",
            "errors_impl.NotFoundError: ",
            "errors_impl.PermissionDeniedError: ",
            "No input files found to read",
            "Path does not exist: ",
            "Error: No files found that match",
            "Error: No files found matching",
            "PermissionError: Forbidden",
            "PermissionError: Access Denied",
            "ArrowInvalid: Could not open Parquet input source",
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "OSError: Unable to open file (unable to open file: name = '/d/a.h5', errno = 2)",
            "OSError: Unable to synchronously open file (file signature not found)",
            "tensorflow.python.framework.errors_impl.NotFoundError: /d/ckpt; No such file or directory",
            "ValueError: No input files found to read. Please double check that 'partition_filter' field is set "
            "properly.",
            "pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] Path does not exist: hdfs://a/b.",
            'duckdb.duckdb.IOException: IO Error: No files found that match the pattern "s3://b/*.parquet"',
            "PermissionError: Forbidden",
        ),
        near_misses=("No input file was found, the default is read",),
    ),
    Signature(
        name="table-missing",
        code="app.data-access",
        contains=(
            "TableNotFoundError: ",
            "NoSuchTableError: ",
            "NoSuchTableException: ",
            "TABLE_OR_VIEW_NOT_FOUND",
            "Not found: Table ",
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "deltalake.exceptions.TableNotFoundError: no log files",
            "pyiceberg.exceptions.NoSuchTableError: Table does not exist: lake.orders",
        ),
        near_misses=("Not found: Tables of contents",),
    ),
    Signature(
        name="broker-missing",
        code="app.data-access",
        contains=(
            "NoBrokersAvailable",
            "pymongo.errors.ServerSelectionTimeoutError: ",
            "cassandra.cluster.NoHostAvailable: ",
        ),
        pattern=r"kafka\.errors\.NoBrokersAvailable|SelectionTimeoutError: |NoHostAvailable: ",
        certainty=Certainty.LIKELY,
        matches=(
            "kafka.errors.NoBrokersAvailable: NoBrokersAvailable",
            "pymongo.errors.ServerSelectionTimeoutError: db:27017: [Errno 111] Connection refused",
        ),
        near_misses=("raise NoBrokersAvailable()",),
    ),
    Signature(
        name="web-refused",
        code="app.data-access",
        contains=("HTTPStatusError: Client error '4", "ClientResponseError: 4"),
        pattern=r"Client error '40[1347] |ClientResponseError: 40[1347],",
        unless=r"/api/(?:jobs|version|packages)|:8265\b",
        certainty=Certainty.LIKELY,
        matches=(
            "httpx.HTTPStatusError: Client error '401 Unauthorized' for url 'https://api.example/v1/rows'",
            "aiohttp.client_exceptions.ClientResponseError: 403, message='Forbidden', "
            "url='https://api.example/v1/rows'",
        ),
        near_misses=("httpx.HTTPStatusError: Client error '429 Too Many Requests' for url 'https://api.example/v1'",),
    ),
    Signature(
        name="web-unreachable",
        code="app.data-access",
        contains=(
            "ConnectionError: HTTP",
            "SSLError: HTTP",
            "ProxyError: HTTP",
            "ConnectTimeout: HTTP",
            "ClientConnector",
        ),
        pattern=r"(?:Error|Timeout): HTTPS?ConnectionPool\(|ClientConnector(?:DNS|Certificate)?Error: Cannot connect",
        unless=r"/simple/|port=8265\b|:8265\b|/api/(?:jobs|version|packages)|host='?(?:localhost|127\.)",
        certainty=Certainty.POSSIBLE,
        matches=(
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='data.example', port=443): Max "
            "retries exceeded",
            "aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host data.example:443 ssl:default",
        ),
        near_misses=(
            "requests.exceptions.ConnectionError: HTTPConnectionPool(host='127.0.0.1', port=8265): Max retries "
            "exceeded",
        ),
    ),
    Signature(
        name="service-key-missing",
        code="app.data-access",
        contains=(
            "api_key not configured (no-tty)",
            "wandb.errors.AuthenticationError",
            "AuthenticationError: Error code: 401",
            "OpenAIError: The api_key client option must be set",
            "OpenAIError: Missing credentials",
            "mlflow.exceptions.RestException: PERMISSION_DENIED",
            "mlflow.exceptions.RestException: RESOURCE_DOES_NOT_EXIST",
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "wandb.errors.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=[your_api_key])",
            "openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key provided'}}",
            "openai.OpenAIError: The api_key client option must be set either by passing api_key to the client or",
        ),
        near_misses=("No API key found, offline mode is used",),
        advice=("Give the key of the service in env_vars of runtime_env (for example WANDB_API_KEY, OPENAI_API_KEY).",),
    ),
    Signature(
        name="store-object-missing",
        code="app.data-access",
        contains=(
            "minio.error.S3Error: S3 operation failed; code: NoSuch",
            "minio.error.S3Error: S3 operation failed; code: AccessDenied",
            "google::cloud::Status(PERMISSION_DENIED",
            "google::cloud::Status(NOT_FOUND",
            "google::cloud::Status(UNAUTHENTICATED",
            "ErrorCode:AuthorizationPermissionMismatch",
            "ErrorCode:AuthorizationFailure",
            "ErrorCode:AuthenticationFailed",
            "ErrorCode:NoAuthenticationInformation",
            "ErrorCode:BlobNotFound",
            "ErrorCode:ContainerNotFound",
            "AccessControlException: Permission denied: user=",
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "minio.error.S3Error: S3 operation failed; code: NoSuchKey, message: The specified key does not "
            "exist., object",
            "OSError: google::cloud::Status(PERMISSION_DENIED: ml@acme.example does not have "
            "storage.objects.list access",
            "ErrorCode:AuthorizationPermissionMismatch",
            "org.apache.hadoop.security.AccessControlException: Permission denied: user=ray, access=WRITE, "
            'inode="/lake"',
        ),
        near_misses=("google::cloud::Status(OK: )", "ErrorCode:ConditionNotMet"),
    ),
    Signature(
        name="hub-refused",
        code="app.data-access",
        contains=(
            "You are trying to access a gated repo",
            "DatasetNotFoundError: Dataset '",
            "OSError: We couldn't connect to '",
            "HfHubHTTPError: 4",
            "LocalEntryNotFoundError: ",
            "OfflineModeIsEnabled: ",
            "Incorrect path_or_model_id: '",
            "OSError: Can't load tokenizer for '",
            "OSError: Can't load the model for '",
            "OSError: Can't load the configuration of '",
            "OSError: Error no file named ",
            "ConnectionError: Couldn't reach ",
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "OSError: You are trying to access a gated repo.",
            "datasets.exceptions.DatasetNotFoundError: Dataset 'acme/rows' doesn't exist on the Hub or cannot "
            "be accessed.",
            "OSError: We couldn't connect to 'https://hf.example' to load the files, and couldn't find them in "
            "the cached",
            "huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests for url: "
            "https://hf.example/api",
        ),
        near_misses=("DatasetNotFoundErrors: 0", "the gate of a repo is open"),
        advice=(
            "Check the name of the model or its directory; a directory must exist on every node that loads it.",
            "For gated or private models set HF_TOKEN in env_vars of runtime_env.",
        ),
    ),
)
