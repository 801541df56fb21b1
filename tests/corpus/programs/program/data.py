"""Input and output that is missing, forbidden, refused, or without credentials."""

from __future__ import annotations

from tests.corpus.program import Program

_SERVER = '''
import http.server
import threading


class Refuses(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({code})
        self.send_header("Content-Type", "application/xml")
        body = b"""{body}"""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_PUT = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
threading.Thread(target=server.serve_forever, daemon=True).start()
'''
_DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>4</RequestId></Error>"
_S3 = """
import boto3
import botocore.config

client = boto3.client(
    "s3",
    endpoint_url="{url}",
    region_name="eu-central-1",
    config=botocore.config.Config(retries={{"max_attempts": 1}}, connect_timeout=2),
    {keys}
)
"""
_KEYS = "aws_access_key_id='corpus', aws_secret_access_key='corpus',"
_READ = """print('manifest of run 14')
print(client.get_object(Bucket='training-data', Key='manifest.json')['Body'].read())
"""
_TASKS = """
import ray

ray.init()


@ray.remote(num_cpus=0)
def count(path):
    with open(path) as file:
        return sum(1 for _ in file)


paths = [f"/mnt/datasets/clicks/part-{number:05}.csv" for number in range(3)]
print(sum(ray.get([count.remote(path) for path in paths])))
"""
_FORBIDDEN = """
import os
import tempfile

directory = tempfile.mkdtemp(prefix="export-")
os.chmod(directory, 0o700)
print("exporting as the user of the service")
os.setuid(65534)
with open(f"{directory}/report.csv", "w") as file:
    file.write("a,b")
"""
_DATABASE = """
import asyncio

import asyncpg


async def main():
    print("connecting to the warehouse")
    connection = await asyncpg.connect("postgresql://reporter@127.0.0.1:9/warehouse", timeout=5)
    print(await connection.fetchval("select count(*) from orders"))


asyncio.run(main())
"""
_SQLITE = """
import sqlalchemy

engine = sqlalchemy.create_engine("sqlite:////mnt/state/runs.db")
with engine.begin() as connection:
    print(connection.execute(sqlalchemy.text("select count(*) from runs")).scalar())
"""
_HTTP = """
import requests

answer = requests.get(f"http://127.0.0.1:{server.server_port}/v1/models/ranker", timeout=5)
answer.raise_for_status()
print(answer.json())
"""
_DNS = """import urllib.request

print('model card')
urllib.request.urlopen('http://models.corpus.invalid/card.json', timeout=5)
"""
_ACTOR = """
import logging

import ray

ray.init()


@ray.remote(num_cpus=0)
class Tokenizer:
    def __init__(self, path):
        logging.basicConfig(level=logging.INFO)
        logging.info("loading %s", path)
        with open(path) as file:
            self.words = file.read().split()

    def size(self):
        return len(self.words)


print(ray.get(Tokenizer.remote("/models/ranker/vocabulary.txt").size.remote()))
"""

PROGRAMS: tuple[Program, ...] = (
    Program(
        id="m-data-missing-file",
        title="A file that is not there, on the driver",
        primary="app.data-access",
        why="The configuration file does not exist.",
        evidence="FileNotFoundError: [Errno 2] No such file or directory: 'conf/prod.yaml'",
        source_code="import ray\n\nray.init()\nwith open('conf/prod.yaml') as file:\n    print(file.read())\n",
    ),
    Program(
        id="m-data-missing-in-task",
        title="A file that workers do not see",
        primary="app.data-access",
        acceptable=("app.task-exception",),
        why="The directory is not mounted where the tasks run.",
        evidence="FileNotFoundError: [Errno 2] No such file or directory: '/mnt/datasets/clicks/part-0000",
        source_code=_TASKS,
    ),
    Program(
        id="m-data-missing-in-actor",
        title="A file that an actor's constructor does not find",
        primary="app.data-access",
        acceptable=("app.actor-init-failed",),
        why="The vocabulary of the model is not there, so the constructor raises.",
        evidence="FileNotFoundError: [Errno 2] No such file or directory: '/models/ranker/vocabulary.txt'",
        source_code=_ACTOR,
    ),
    Program(
        id="m-data-permission",
        title="A directory that the program may not write to",
        primary="app.data-access",
        why="The directory belongs to another user.",
        evidence="PermissionError: [Errno 13] Permission denied",
        source_code=_FORBIDDEN,
    ),
    Program(
        id="m-data-s3-refused",
        title="An object store that refuses the connection",
        primary="app.data-access",
        why="Nothing listens at the endpoint.",
        evidence="botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL",
        source_code=_S3.format(url="http://127.0.0.1:9", keys=_KEYS) + _READ,
    ),
    Program(
        id="m-data-s3-credentials",
        title="An object store without credentials",
        primary="app.data-access",
        why="There are no credentials anywhere.",
        evidence="botocore.exceptions.NoCredentialsError: Unable to locate credentials",
        source_code=_S3.format(url="http://127.0.0.1:9", keys="") + _READ,
        runtime_env={"env_vars": {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent"}},
    ),
    Program(
        id="m-data-s3-denied",
        title="An object store that denies access",
        primary="app.data-access",
        why="The endpoint answers 403.",
        evidence="(AccessDenied) when calling the GetObject operation: Access Denied",
        source_code=_SERVER.format(code=403, body=_DENIED)
        + _S3.format(url="http://127.0.0.1:9", keys=_KEYS).replace(
            '"http://127.0.0.1:9"', 'f"http://127.0.0.1:{server.server_port}"'
        )
        + _READ,
    ),
    Program(
        id="m-data-database-refused",
        title="A database that refuses the connection",
        primary="app.data-access",
        acceptable=("app.exception",),
        why="Nothing listens at the port of the database.",
        evidence="ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 9)",
        source_code=_DATABASE,
    ),
    Program(
        id="m-data-sqlite",
        title="A database file that cannot be opened",
        primary="app.data-access",
        acceptable=("app.exception",),
        why="The directory of the database is not there.",
        evidence="sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) unable to open database file",
        source_code=_SQLITE,
    ),
    Program(
        id="m-data-http-401",
        title="An API that wants credentials",
        primary="app.data-access",
        acceptable=("app.exception",),
        why="The model registry answers 401.",
        evidence="requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url",
        source_code=_SERVER.format(code=401, body="") + _HTTP,
    ),
    Program(
        id="m-data-dns",
        title="A host whose name nobody knows",
        primary="app.data-access",
        acceptable=("app.exception",),
        why="The name of the host does not exist.",
        evidence="urllib.error.URLError: <urlopen error [Errno -",
        source_code=_DNS,
    ),
)
