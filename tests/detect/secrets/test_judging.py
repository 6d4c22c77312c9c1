"""How bad a match is: passwords that are words, commands that a program only shows, what everybody knows."""

from __future__ import annotations

import base64
import json

import pytest

from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Severity


def jwt(claims: dict[str, object]) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part(claims)}.{RARE}{RARE}q7Zp2Lk9Xw4"


def module() -> str:
    """A module in base64 as a program has it in literals, one of which has the form of a token."""
    lines = [f"{RARE}q+H/" * 6 for _ in range(9)]
    lines[4] = "A" * 22 + (RARE * 7)[:98]
    return " +\n".join(f"  '{line}'" for line in lines)


def thumbnail() -> str:
    """A picture in base64 as XMP has it, with the form of a key in it."""
    lines = [f"{RARE}q+H/" * 4 for _ in range(12)]
    lines[6] = lines[6][:20] + "ZW" + "AI" + "za" + (RARE * 3)[:35] + lines[6][59:]
    return "&#xA;".join(lines)


WORDS = "Harbour-Wall-77"
RARE = "q7Zp2Lk9Xw4Vt8Rb"
UUID = "836d5eb6-485b-464b-b859-9ba34541e646"
BEGIN = "-----BEGIN RSA PRIVATE" + " KEY-----"


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        pytest.param("app/run.sh", f"login --password {WORDS}", Severity.MEDIUM, id="script"),
        pytest.param("app/deploy.ps1", f"login --password {WORDS}", Severity.MEDIUM, id="script-of-windows"),
        pytest.param("app/settings.py", f"login --password {WORDS}", Severity.MEDIUM, id="settings"),
        pytest.param("app/cli.py", f"login --password {WORDS}", Severity.LOW, id="shown-by-a-program"),
        pytest.param("app/run.sh", "login --password MyNewPass" + "word123", Severity.LOW, id="says-what-it-is"),
        pytest.param(
            "app/a.py", "SecretValue.unsafePlainText('adminUserPass" + "word123')", Severity.LOW, id="in-a-call"
        ),
        pytest.param("app/a.py", f"SecretValue.unsafePlainText('{WORDS}')", Severity.MEDIUM, id="words-in-a-call"),
        pytest.param("app/cli.py", f"login --password {RARE}", Severity.MEDIUM, id="rare-in-a-program"),
        pytest.param("app/cli.py", "curl -u admin:Harbour-Wall-77 https://h.corp.io", Severity.LOW, id="curl-shown"),
        pytest.param("app/run.sh", "evil-winrm -i h -u root -p 'Passw0rd!'", Severity.LOW, id="what-everybody-tries"),
        pytest.param("app/run.sh", "evil-winrm -i h -u root -p 's3cret'", Severity.LOW, id="digits-for-letters"),
        pytest.param("app/a.js", "// Authorization: Basic dGlsbDptaWxs", Severity.LOW, id="basic-auth-in-a-comment"),
        pytest.param("app/a.js", "h = 'Authorization: Basic dGlsbDptaWxs'", Severity.MEDIUM, id="basic-auth"),
        pytest.param("app/a.js", "h = 'Authorization: Basic ZGVtbzpwQDU1dzByZA=='", Severity.LOW, id="what-all-try"),
        pytest.param("app/.env", "DB_PASSWORD=mysupersecretpassword", Severity.LOW, id="said-to-be-one"),
        pytest.param("app/run.sh", "evil-winrm -i h -u root -p 't1llm4n'", Severity.MEDIUM, id="of-somebody"),
        pytest.param("app/a.yml", "psql -c \"CREATE ROLE till PASSWORD 'till'\"", Severity.LOW, id="named-as-the-user"),
        pytest.param("app/a.yml", "psql -c \"CREATE ROLE till PASSWORD 'mill'\"", Severity.MEDIUM, id="another-word"),
        pytest.param("app/a.yml", f"psql -c \"CREATE ROLE till PASSWORD '{RARE}'\"", Severity.HIGH, id="rare"),
    ],
)
def test_passwords_of_words(scanner: SecretScanner, path: str, text: str, severity: Severity) -> None:
    (hit,) = scanner.scan_bytes(f"{text}\n".encode(), path=path)
    assert hit.severity is severity


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("app/terms.py", "BSA_0_024265_WT_0_5378_HT_0_3964 = Code()", id="constant"),
        pytest.param("app/limits.py", 'CLAUDE_OAUTH_BETA = "oauth-2025-04-20"', id="dated"),
        pytest.param("app/limits.py", 'ANTHROPIC_TOKEN = "prompt-caching-2024-07-31"', id="dated-of-more-words"),
        pytest.param(
            "app/a.md", f"{BEGIN}\n{'A' * 64}\n{'A' * 62}==\n{BEGIN.replace('BEGIN', 'END')}", id="key-of-one-letter"
        ),
        pytest.param(
            "app/a.html", "<pre>$ cf push till -p target/till-0.0.1-SNAPSHOT.jar</pre>", id="file-that-is-pushed"
        ),
        pytest.param(
            "app/a.mjs", f'"{"Ag/EA" * 60}/BSAEIAJBAnRqKAIAIgQoAgggA0/{"Ag/EA" * 60}"', id="letters-of-a-module"
        ),
        pytest.param("app/index.json", f'{{"compare-passwords.js": "{UUID}"}}', id="name-of-a-file"),
        pytest.param("app/a.py", r'r"Server=(\S+)?(?:;User Id=(\S+))?(?:;Password=(\S+))?;"', id="regular-expression"),
        pytest.param("app/a.json", r'"o_auth2_credentials=app.Cfn.OAuth2CredentialsProperty(\n"', id="call"),
        pytest.param("app/a.xml", "var Pw = cmath53.WeierstrassP(c, 0, w);", id="call-of-a-script"),
        pytest.param("app/a.jpg", thumbnail(), id="letters-of-a-picture"),
        pytest.param("app/a.js", module(), id="letters-of-a-module-in-lines"),
        pytest.param("app/a.config", f'<add sessionKey="AQIA{"AA5mAAAApAAA"}{"RkpX" * 40}" />', id="wrapped-key"),
        pytest.param(
            "app/a.json", r"token_props = &awscdk.Aws_x.NewTokenPropsMixin(&TokenMixin2Props{\n", id="call-in-go"
        ),
        pytest.param(
            "app/.env", f'FIREBASE_PRIVATE_KEY="{BEGIN}\\nasdasd==\\n{BEGIN.replace("BEGIN", "END")}"', id="pem"
        ),
        pytest.param("app/a.py", "Entry.KEY_WOW32: winreg.KEY_WOW64_32KEY,", id="constant-of-a-module"),
        pytest.param("app/a.csv", "LT" + "AIaDEFGHKLMNPQRSTVWY,3", id="sequence-of-amino-acids"),
        pytest.param(
            "app/a.json", '"call_1\\nf' + "c_68befaa5625c8199a0ca7b9b60d5d4b601598ea7b6c494af" + '"', id="escape"
        ),
        pytest.param("app/.env", "BIN_LIST_API_KEY=BLANK", id="blank"),
        pytest.param("app/src/token.rs", 'AccessToken::new("ya29' + '.secret", 1);', id="words-by-a-rule-of-others"),
        pytest.param("app/ja.json", '"pass": "1つのロール値のみ使用されています"', id="prose-without-blanks"),
        pytest.param("app/a.json", '"input_audio_token": 1.1428571428571428e-06,', id="number-with-an-exponent"),
        pytest.param("app/a.json", '"output_cost_per_token": "per-1k-q7Zp2Lk9",', id="price"),
        pytest.param("app/a.js", "// https://user%3An%40me:p%40ss%3Aword@x.com/ becomes", id="address-of-a-letter"),
        pytest.param("app/a.js", "KEY='dotenv://:key_78" + "90@dotenvx.com/vault'", id="a-numbered-key"),
        pytest.param("app/a.ts", "KEY='dotenv://:rq7Zp2Lk…" + "@dotenvx.com/vault'", id="cut-off"),
        pytest.param("app/a.ts", "SecretValue.unsafePlainText('myUsername')", id="my-user"),
        pytest.param("app/a.json", r"var x: acme.HubOAuth2CredentialProviderProps = {\n", id="type-of-a-module"),
        pytest.param("app/a.json", r"const hubOAuth2Credentials: acmev2.HubOAuth2Credentials = {\n", id="own-type"),
        pytest.param("app/a.json", '"a-lib.acme_v2.Pass","a-lib.acme_v2.ResultWriterV2"', id="names-of-a-family"),
        pytest.param("app/a.json", r"temp_password=Duration.days(3)\n", id="call-before-an-escape"),
        pytest.param(
            "app/user-data", "password: '$6$rounds=4096$packer$" + "QJl3rXXXN5L3T5qOKQRqW5" * 4 + ".'", id="crypt"
        ),
    ],
)
def test_what_is_no_secret(scanner: SecretScanner, path: str, text: str) -> None:
    assert scanner.scan_bytes(f"{text}\n".encode(), path=path) == []


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        pytest.param("AI" + "zaGoogleCloudAPIKeyAazZ09780w00tTests", Severity.LOW, id="words"),
        pytest.param("m=" + "dead" + "beefdeadb33fdeadbeefdeadb33f-us90", Severity.LOW, id="spelt-in-digits"),
        pytest.param("AI" + "zaSy" + "q7Zp2Lk9Xw4Vt8Rbq1Zp3Lk5Xw6Vt7Rb0", Severity.HIGH, id="rare"),
        pytest.param(jwt({"sub": "1234567890", "name": "John Doe"}), Severity.INFO, id="claims-of-jwt.io"),
        pytest.param(
            '{"auths": {"r.corp.io": {"identitytoken": "selected-identity-token"}}}', Severity.LOW, id="joined-words"
        ),
        pytest.param(jwt({"some": "payload"}), Severity.INFO, id="claims-of-a-manual"),
        pytest.param(jwt({"sub": "1234", "name": "till"}), Severity.MEDIUM, id="claims-of-somebody"),
        pytest.param(jwt({"aud": ["till"]}), Severity.MEDIUM, id="claims-in-a-list"),
    ],
)
def test_specimens_of_a_form_are_told_as_such(scanner: SecretScanner, text: str, severity: Severity) -> None:
    (hit,) = scanner.scan_bytes(f"{text}\n".encode(), path="app/a.txt")
    assert hit.severity is severity


@pytest.mark.parametrize("before", ["", "\\n", "\\\\", " "])
def test_a_token_that_does_not_begin_in_an_escape(scanner: SecretScanner, before: str) -> None:
    token = "nf" + "c_68befaa5625c8199a0ca7b9b60d5d4b601598ea7"
    assert [hit.secret for hit in scanner.scan_bytes(f'"{before}{token}"'.encode(), path="app/a.json")] == [
        token.encode()
    ]


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        pytest.param("app/a.html", f"<pre>security password: {RARE}</pre>", Severity.LOW, id="shown"),
        pytest.param("app/a.html", f'<script>x = {{password: "{RARE}"}}</script>', Severity.MEDIUM, id="in-a-script"),
        pytest.param("app/a.yml", f"password: {RARE}", Severity.MEDIUM, id="in-settings"),
    ],
)
def test_what_a_page_shows(scanner: SecretScanner, path: str, text: str, severity: Severity) -> None:
    (hit,) = scanner.scan_bytes(f"{text}\n".encode(), path=path)
    assert hit.severity is severity


def test_what_stands_behind_a_prompt_of_python_is_a_manuals(scanner: SecretScanner) -> None:
    told = f'password = "{RARE}"'
    (hit,) = scanner.scan_bytes(f"{told}\n".encode(), path="app/settings.py")
    (shown,) = scanner.scan_bytes(f"    >>> {told}\n".encode(), path="app/settings.py")
    assert (hit.severity, shown.severity) == (Severity.MEDIUM, Severity.LOW)
