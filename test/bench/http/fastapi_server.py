"""Serves fastapi_app on the address that is given, with what Uvicorn is fastest with."""

import resource
import sys

import uvicorn

host, port = sys.argv[1].rsplit(":", 1)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
uvicorn.run(
    "fastapi_app:app",
    host=host,
    port=int(port),
    loop="uvloop",
    http="httptools",
    ws="websockets-sansio",
    log_level="warning",
)
