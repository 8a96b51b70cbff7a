"""The backend that the project was first planned with, for comparison.

FastAPI with Pydantic models over a dictionary, and a WebSocket that broadcasts
to whoever is connected to a notebook. Nothing is durable and nobody signs in.
"""

import asyncio
import uuid
from datetime import datetime, timezone

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel


class Cell(BaseModel):
    id: str
    kind: str = "python"
    source: str = ""
    disabled: bool = False
    connection: str | None = None
    result: str | None = None
    defines: list[str] = []
    references: list[str] = []
    status: str = "new"
    error: str | None = None
    blocked_by: list[str] = []
    outputs: list[dict] = []
    execution_count: int = 0
    started_at: datetime | None = None
    duration_ms: float | None = None


class Kernel(BaseModel):
    status: str = "none"
    reason: str | None = None


class Notebook(BaseModel):
    id: str
    name: str
    mode: str = "auto"
    version: int = 1
    created_at: datetime
    updated_at: datetime
    kernel: Kernel = Kernel()
    cells: list[Cell] = []


class KernelStatus(BaseModel):
    status: str


class Summary(BaseModel):
    id: str
    name: str
    version: int
    cell_count: int
    created_at: datetime
    updated_at: datetime
    kernel: KernelStatus


class Page(BaseModel):
    notebooks: list[Summary]
    next_cursor: str | None = None


class NewCell(BaseModel):
    kind: str = "python"
    source: str = ""


class NewNotebook(BaseModel):
    name: str
    cells: list[NewCell] = []


app = FastAPI(title="Reactive Notebook")
app.add_middleware(
    CORSMiddleware,
    allow_origins=["http://localhost:3000", "http://localhost:5173"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)
notebooks: dict[str, Notebook] = {}
clients: dict[str, list[WebSocket]] = {}


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.get("/api/notebooks", response_model=Page)
async def list_notebooks(limit: int = 50):
    newest = sorted(notebooks.values(), key=lambda n: (n.created_at, n.id), reverse=True)[:limit]
    return Page(
        notebooks=[
            Summary(
                id=n.id,
                name=n.name,
                version=n.version,
                cell_count=len(n.cells),
                created_at=n.created_at,
                updated_at=n.updated_at,
                kernel=KernelStatus(status=n.kernel.status),
            )
            for n in newest
        ]
    )


@app.post("/api/notebooks", response_model=Notebook, status_code=201)
async def create_notebook(new: NewNotebook):
    now = datetime.now(timezone.utc)
    notebook = Notebook(
        id=str(uuid.uuid4()),
        name=new.name,
        created_at=now,
        updated_at=now,
        cells=[Cell(id=str(uuid.uuid4()), kind=c.kind, source=c.source) for c in new.cells],
    )
    notebooks[notebook.id] = notebook
    return notebook


@app.get("/api/notebooks/{notebook_id}", response_model=Notebook)
async def get_notebook(notebook_id: str):
    if notebook_id not in notebooks:
        raise HTTPException(status_code=404)
    return notebooks[notebook_id]


@app.websocket("/api/ws/notebooks/{notebook_id}")
async def connect(websocket: WebSocket, notebook_id: str):
    await websocket.accept()
    group = clients.setdefault(notebook_id, [])
    group.append(websocket)
    try:
        while True:
            # {"events": how many to send to everybody, "text": what}
            wanted = await websocket.receive_json()
            for i in range(wanted["events"]):
                await broadcast(group, wanted["text"])
    except WebSocketDisconnect:
        group.remove(websocket)


async def broadcast(group: list[WebSocket], text: str):
    await asyncio.gather(*(client.send_text(text) for client in group))
