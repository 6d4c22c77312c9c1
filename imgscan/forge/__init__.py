"""Posting it: a comment's body -> a pull request of GitHub or a merge request of GitLab, as one comment that stays."""
