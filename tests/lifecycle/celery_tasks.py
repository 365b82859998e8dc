"""A Celery application with one task, on a broker of files."""

from __future__ import annotations

import os
from pathlib import Path

import celery
from pooled import ask as ask_model

BROKER = Path(os.environ["BROKER"])
for _folder in ("messages", "control"):
    (BROKER / _folder).mkdir(exist_ok=True, parents=True)
app = celery.Celery("test", broker="filesystem://")
app.conf.task_ignore_result = True
app.conf.broker_transport_options = {
    "data_folder_in": str(BROKER / "messages"),
    "data_folder_out": str(BROKER / "messages"),
    "control_folder": str(BROKER / "control"),
}


@app.task
def ask(number: int) -> None:
    ask_model(number)
    (BROKER / f"done-{number}").touch()
