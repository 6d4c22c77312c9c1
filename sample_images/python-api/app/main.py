"""The HTTP interface: GET and POST /notes, GET /health."""

from __future__ import annotations

from itertools import count
from threading import Lock

from flask import Flask, Response, jsonify, request

app = Flask(__name__)
_notes: dict[int, str] = {}
_ids = count(1)
_lock = Lock()


@app.get("/health")
def health() -> Response:
    return jsonify(status="ok")


@app.get("/notes")
def list_notes() -> Response:
    with _lock:
        return jsonify([{"id": number, "text": text} for number, text in sorted(_notes.items())])


@app.post("/notes")
def add_note() -> tuple[Response, int]:
    document = request.get_json(silent=True)
    text = document.get("text") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text.strip():
        return jsonify(error="text is missing"), 400
    with _lock:
        number = next(_ids)
        _notes[number] = text.strip()
    return jsonify(id=number, text=_notes[number]), 201
