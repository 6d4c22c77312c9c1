"""BuildKit's shell lexer: a word and the variables in scope -> the expanded text, and its split into words.

Same results as `frontend/dockerfile/shell/lex.go` of moby/buildkit (ProcessWord, ProcessWords), its oddities included:
the Dockerfile's own parser finds heredocs with it. Linear in the text; patterns run on RE2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imgscan.dockerfile.pattern import PatternError, remove_prefix, remove_suffix, replace, replace_surrogates

_MAX_DEPTH: Final = 100
_MAX_CHARS: Final = 1 << 17
"""A value may double with every ENV line, so it is bounded: by what Linux takes for one variable (MAX_ARG_STRLEN)."""
_SPECIAL_PARAMETERS: Final = frozenset("@*#?-$!0")
# unicode.IsSpace of Go, which knows fewer spaces than str.isspace.
GO_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_SPACES: Final = frozenset(GO_SPACE)


class LexError(ValueError):
    """A word that BuildKit's lexer refuses, in its words."""


class _Words:
    """What ProcessWords collects while the text is read: quoted and escaped characters never split a word."""

    __slots__ = ("_inside", "_word", "found")

    def __init__(self) -> None:
        self.found: list[str] = []
        self._word: list[str] = []
        self._inside = False

    def add(self, text: str) -> None:
        for ch in text:
            if ch not in _SPACES:
                self.add_raw(ch)
            elif self._inside and self._word:
                self.finish()

    def add_raw(self, text: str) -> None:
        if text:
            self._word.append(text)
        self._inside = True

    def finish(self) -> list[str]:
        if self._word:
            self.found.append("".join(self._word))
            self._word = []
            self._inside = False
        return self.found


class _NoWords(_Words):
    """In place of `_Words` where nobody asks for the words."""

    __slots__ = ()

    def add(self, text: str) -> None:
        return

    def add_raw(self, text: str) -> None:
        return


class Lexer:
    """One pass over one text. `keep_quotes`, `keep_escapes` and `keep_unset` leave quotes, escape characters and unset
    variables in the result as they were written."""

    def __init__(
        self,
        text: str,
        scope: Mapping[str, str],
        *,
        escape: str = "\\",
        keep_quotes: bool = False,
        keep_escapes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        # text/scanner of Go drops a byte order mark and reads each byte that is not UTF-8 as U+FFFD.
        self._text = replace_surrogates(text.removeprefix("\ufeff"))
        self._scope = scope
        self._escape = escape
        self._keep_quotes = keep_quotes
        self._keep_escapes = keep_escapes
        self._keep_unset = keep_unset
        self._pos = 0
        self._depth = 0
        self._spent = 0

    def expand(self) -> str:
        """The expanded text. Raises LexError."""
        return self._until("", keep_escapes=self._keep_escapes)

    def split(self) -> list[str]:
        """The words of the expanded text. Raises LexError."""
        words = _Words()
        self._read("", words)
        return words.finish()

    def _peek(self) -> str:
        return self._text[self._pos : self._pos + 1]

    def _next(self) -> str:
        ch = self._text[self._pos : self._pos + 1]
        self._pos += 1
        return ch

    def _until(self, stop: str, *, keep_escapes: bool) -> str:
        before, self._keep_escapes = self._keep_escapes, keep_escapes
        try:
            return self._read(stop, _NoWords())
        finally:
            self._keep_escapes = before

    def _read(self, stop: str, words: _Words) -> str:
        out: list[str] = []
        while ch := self._peek():
            if ch == stop:
                self._pos += 1
                return "".join(out)
            if ch == "$":
                out.append(self._dollar())
                words.add(out[-1])
            elif ch in "'\"":
                out.append(self._single_quoted() if ch == "'" else self._double_quoted())
                words.add_raw(out[-1])
            elif ch == "<":
                out.append(self._heredoc())
                words.add_raw(out[-1])
            elif not self._plain(out, words):
                break
        if stop:
            raise LexError(f"unexpected end of statement while looking for matching {stop}")
        return "".join(out)

    def _plain(self, out: list[str], words: _Words) -> bool:
        """Read one ordinary or escaped character; False at an escape character that ends the text."""
        ch = self._next()
        if ch != self._escape:
            words.add(ch)
            out.append(ch)
            return True
        if self._keep_escapes:
            words.add_raw(ch)
            out.append(ch)
        ch = self._next()
        if ch:
            words.add_raw(ch)
            out.append(ch)
        return bool(ch)

    def _heredoc(self) -> str:
        """`<`, or `<<` with the blanks behind it, which do not part it from the name (`RUN << EOF`)."""
        start = self._pos
        self._pos += 1
        if self._peek() == "<":
            self._pos += 1
            while self._peek() and self._peek() in " \t":
                self._pos += 1
        return self._text[start : self._pos]

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._pos + 1)
        if end < 0:
            self._pos = len(self._text)
            raise LexError("unexpected end of statement while looking for matching single-quote")
        inner = self._text[self._pos + 1 : end]
        self._pos = end + 1
        return f"'{inner}'" if self._keep_quotes else inner

    def _double_quoted(self) -> str:
        quote = self._next() if self._keep_quotes else self._next()[:0]
        out = [quote]
        while ch := self._peek():
            if ch == '"':
                self._pos += 1
                out.append(quote)
                return "".join(out)
            if ch == "$":
                out.append(self._dollar())
                continue
            self._pos += 1
            if ch == self._escape:
                out.append(ch if self._keep_escapes else "")
                following = self._peek()
                if not following:
                    break
                # Only these can be escaped here; before anything else the escape character stands for itself.
                if following in ('"', "$", self._escape):
                    ch = self._next()
            out.append(ch)
        raise LexError("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        self._pos += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._scope.get(name)
            if value is None:
                return f"${name}" if self._keep_unset else ""
            return self._count(value)
        self._pos += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise LexError(f"substitutions nested more than {_MAX_DEPTH} deep")
        result = self._braced()
        self._depth -= 1
        return self._count(result)

    def _count(self, result: str) -> str:
        self._spent += len(result)
        if self._spent > _MAX_CHARS:
            raise LexError(f"the word expands to more than {_MAX_CHARS} characters")
        return result

    def _name(self) -> str:
        text, start = self._text, self._pos
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._pos += 1
        elif first in _SPECIAL_PARAMETERS:
            self._pos += 1
        else:
            while (ch := self._peek()) and (ch.isalpha() or ch.isdecimal() or ch == "_"):
                self._pos += 1
        return text[start : self._pos]

    def _braced(self) -> str:
        """What stands after `${`, up to and with the closing brace."""
        first = self._peek()
        if not first:
            raise LexError("syntax error: missing '}'")
        if first in "{}:":
            raise LexError("syntax error: bad substitution")
        name = self._name()
        operator = self._next()
        if operator == "}":
            value = self._scope.get(name)
            return value if value is not None else f"${{{name}}}" if self._keep_unset else ""
        if not operator:
            raise LexError("syntax error: missing '}'")
        if operator == "/":
            return self._replaced(name)
        modifier = operator
        if operator == ":":
            modifier = self._next()
            operator += modifier
        elif operator not in tuple("+-?#%"):
            raise LexError(f"unsupported modifier ({operator}) in substitution")
        try:
            word = self._until("}", keep_escapes=modifier in ("#", "%"))
        except LexError as error:
            raise self._at_end("syntax error: missing '}'", error) from error
        return self._modified(name, operator, modifier, word)

    def _at_end(self, message: str, error: LexError) -> LexError:
        return error if self._peek() else LexError(message)

    def _modified(self, name: str, operator: str, modifier: str, word: str) -> str:
        value = self._scope.get(name)
        if value is None and self._keep_unset:
            return f"${{{name}{operator}{word}}}"
        absent = value is None or (operator[0] == ":" and not value)
        match modifier:
            case "-":
                return word if absent else value or ""
            case "+":
                return "" if absent else word
            case "?":
                if absent:
                    default = "is not allowed to be unset" if value is None else "is not allowed to be empty"
                    raise LexError(f"{name}: {word or default}")
                return value or ""
            case "#" | "%":
                longest = word[:1] == modifier
                remove = remove_prefix if modifier == "#" else remove_suffix
                try:
                    return remove(value or "", word[1:] if longest else word, longest=longest)
                except PatternError as error:
                    raise LexError(f"invalid pattern ({word}) in substitution: {error}") from error
            case _:
                raise LexError(f"unsupported modifier ({operator}) in substitution")

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        self._pos += every
        try:
            pattern = self._until("/", keep_escapes=True)
        except LexError as error:
            raise self._at_end("syntax error: missing '/' in ${}", error) from error
        try:
            replacement = self._until("}", keep_escapes=True)
        except LexError as error:
            raise self._at_end("syntax error: missing '}'", error) from error
        value = self._scope.get(name)
        if value is None and self._keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        try:
            return replace(value or "", pattern, replacement, every=every, limit=_MAX_CHARS)
        except PatternError as error:
            raise LexError(f"invalid pattern ({pattern}) in substitution: {error}") from error


def unquote(word: str, escape: str = "\\") -> str:
    """The word without its quotes and escapes, nothing expanded; an unbalanced quote reaches to the end."""
    out: list[str] = []
    quote = ""
    chars = iter(word)
    for ch in chars:
        if ch == quote:
            quote = ""
        elif not quote and ch in "'\"":
            quote = ch
        elif ch == escape and quote != "'":
            following = next(chars, "")
            if quote and following not in ('"', "$", escape):
                out.append(ch)
            out.append(following)
        else:
            out.append(ch)
    return "".join(out)
