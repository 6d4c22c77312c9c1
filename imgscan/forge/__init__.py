"""Posting it: comments on pull and merge requests, webhooks."""
