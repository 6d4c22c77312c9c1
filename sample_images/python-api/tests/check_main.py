"""Run inside the image: python -m unittest tests.check_main"""

from __future__ import annotations

import unittest

from app.main import app


class Notes(unittest.TestCase):
    def test_a_note_is_listed_after_it_was_added(self) -> None:
        client = app.test_client()
        assert client.post("/notes", json={"text": " first "}).status_code == 201
        assert client.get("/notes").get_json() == [{"id": 1, "text": "first"}]

    def test_a_note_without_text_is_refused(self) -> None:
        assert app.test_client().post("/notes", json=["text"]).status_code == 400
