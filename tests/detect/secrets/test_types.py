"""Every type of secret that the project knows of has a rule that finds it, where such a thing lies.

A row names a type, the rule, and the example: the number of one of the rule's own, or parts of another. The path is that
of the rule's record unless the row has one.
"""

from __future__ import annotations

from typing import Any

import pytest

from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.rules import own_pack
from imgscan.detect.secrets.scanner import SecretScanner

Parts = list[Any]


def _random(alphabet: str, length: int) -> dict[str, Any]:
    return {"random": alphabet, "length": length}


UUID: Parts = [
    _random("hex", 8),
    "-",
    _random("hex", 4),
    "-4",
    _random("hex", 3),
    "-a",
    _random("hex", 3),
    "-",
    _random("hex", 12),
]
PASSWORD: Parts = [_random("base62", 18)]


def _named(name: str, alphabet: str, length: int) -> Parts:
    return [f"{name}=", _random(alphabet, length)]


# Type -> (rule, number of its example or parts, path or "").
TYPES: dict[int, tuple[tuple[str, int | Parts, str], ...]] = {
    1: (
        ("private-key", 0, ""),
        ("private-key", 6, "app/.env"),
        ("private-key", ["key: ", {"base64": [{"pem": "RSA PRIVATE KEY"}]}], "k8s/tls.yaml"),
        ("private-key", ['{"key": "', {"pem": "PRIVATE KEY", "escaped": True}, '\\n"}'], "app/key.json"),
    ),
    2: (("private-key", 3, "root/.ssh/id_ed25519"),),
    3: (("ssh-host-key", 0, ""), ("ssh-host-key", [{"pem": "RSA PRIVATE KEY"}], "etc/ssh/ssh_host_rsa_key")),
    4: (("private-key", 2, "etc/nginx/tls/server.key"),),
    5: (("private-key", 4, ""), ("private-key", 5, "")),
    6: (("putty-private-key", 0, ""),),
    7: (("pgp-private-key", 0, ""),),
    8: (("keystore", 0, "app/keystore.jks"),),
    9: (("jwk-private", 0, ""),),
    10: (("env-assignment", 0, "app/.env"), ("env-assignment", ["ENV APP_PASSWORD=", *PASSWORD], "Dockerfile")),
    11: (("generic", 0, "app/config.yaml"), ("env-assignment", ['const apiSecret = "', _random("base62", 32), '";'], "src/a.js")),
    12: (("uri-credentials", 3, ""),),
    13: (("netrc", 0, "root/.netrc"), ("uri-credentials", ["https://ci:", *PASSWORD, "@git.corp.io"], "root/.git-credentials")),
    14: (("jwt", 0, ""),),
    15: (("basic-auth", 0, ""), ("bearer-header", 0, ""), ("curl-user", 0, "")),
    16: (("password-hash", 0, "etc/shadow"), ("password-hash", 1, "etc/nginx/.htpasswd")),
    17: (("ansible-vault", 0, ""), ("age-key", 0, "")),
    18: (("bip39-mnemonic", 0, ""), ("bip39-mnemonic", 1, "")),
    19: (("bitcoin-wif", 0, ""),),
    20: (("ethereum-key", 0, ""),),
    21: (("aws-access-key", 0, ""), ("aws-access-key", 1, "")),
    22: (("aws-secret-key", 0, ""), ("aws-secret-key", 1, "src/aws.json")),
    23: (("aws-session-token", 0, ""),),
    24: (("aws-bedrock-key", 0, ""),),
    25: (("aws-mws-token", 0, ""),),
    26: (("aws-secret-key", ["[default]\naws_secret_access_key = ", _random("base62", 40)], "root/.aws/credentials"),),
    27: (("gcp-service-account", 0, ""),),
    28: (("gcp-api-key", 0, ""),),
    29: (("gemini-key", 0, ""),),
    30: (("gcp-oauth-client", 0, ""), ("gcp-oauth-token", 0, ""), ("gcp-oauth-token", 1, "")),
    31: (("gcp-hmac-key", 0, ""), ("gcp-hmac-secret", 0, "")),
    32: (("gcp-fcm-key", 0, ""),),
    33: (("azure-storage-key", 0, ""),),
    34: (("azure-client-secret", 0, ""),),
    35: (("azure-sas", 0, ""),),
    36: (("azure-shared-access-key", 0, ""),),
    37: (
        (
            "azure-shared-access-key",
            ["Endpoint=https://corp.azconfig.io;Id=aB-l0-s0:", _random("base62", 20), ";Secret=", _random("base64", 43), "="],
            "",
        ),
    ),
    38: (("azure-function-key", [_random("base64", 76), "AC", "Db", _random("base64", 5), "w=="], ""),),
    39: (
        ("azure-devops-token", 0, ""),
        ("azure-annotated-key", 0, ""),
        ("azure-annotated-key", 3, ""),
        ("azure-function-key", 0, ""),
        ("azure-function-key", [_random("base64", 42), "+A", "CR", _random("base62", 6)], ""),
        ("azure-context-key", 0, ""),
        ("azure-context-key", 1, ""),
    ),
    40: (("digitalocean-token", 0, ""),),
    41: (("alibaba-key", 0, ""), ("cloud-service-key", 4, "")),
    42: (("tencent-key", 0, ""),),
    43: (("cloud-service-key", 2, ""), ("private-key", 2, "root/.oci/oci_api_key.pem")),
    44: (("cloud-service-key", 0, ""), ("cloud-service-key", 1, ""), ("cloud-service-key", 3, ""), ("upcloud-token", 0, "")),
    45: (("yandex-key", 0, ""), ("yandex-key", ["t1", ".9eud", _random("base62", 40), ".", _random("base62", 86)], "")),
    46: (("github-token", 0, ""), ("github-token", 1, ""), ("github-token", 2, "")),
    47: (("github-token", 3, ""),),
    48: (("github-fine-grained-token", 0, ""),),
    49: (("gitlab-token", 0, ""), ("gitlab-token", 1, "")),
    50: (("gitlab-token", 2, ""), ("gitlab-token", 3, ""), ("gitlab-token", ["gl", "ft-", _random("base62", 20)], "")),
    51: (("bitbucket-token", 0, ""), ("bitbucket-token", 1, "")),
    52: (("atlassian-token", 0, ""),),
    53: (("npm-token", 0, ""), ("npmrc-auth", 0, "root/.npmrc"), ("npmrc-auth", 1, "root/.npmrc"), ("npmrc-auth", 2, "root/.npmrc")),
    54: (
        ("pypi-token", 0, ""),
        ("pypirc-password", 0, ""),
        ("uri-credentials", ["index-url = https://ci:", *PASSWORD, "@pypi.corp.io/simple"], "root/.config/pip/pip.conf"),
    ),
    55: (("docker-hub-token", 0, ""), ("docker-hub-token", 1, "")),
    56: (("docker-config-auth", 0, "root/.docker/config.json"), ("docker-config-auth", 1, "k8s/pull.yaml")),
    57: (("rubygems-key", 0, ""),),
    58: (("nuget-key", 0, ""), ("nuget-config-password", 0, "")),
    59: (("cargo-token", 0, ""),),
    60: (("composer-auth", 0, ""), ("composer-auth", 1, ""), ("composer-auth", 2, "")),
    61: (("clojars-token", 0, ""),),
    62: (("jfrog-key", 0, ""), ("jfrog-key", 1, "")),
    63: (("cloudsmith-key", 0, ""), ("maven-password", 0, ""), ("gradle-property", 0, ""), ("gradle-property", 1, "")),
    64: (("circleci-token", 0, ""),),
    65: (("buildkite-token", 0, ""),),
    66: (
        ("ci-service-key", 0, ""),
        ("ci-service-key", 1, ""),
        ("ci-service-key", _named("TRAVIS_TOKEN", "base62", 22), ""),
        ("ci-service-key", _named("COVERALLS_REPO_TOKEN", "base62", 32), ""),
    ),
    67: (("jenkins-credentials", 0, ""), ("jenkins-credentials", 1, "")),
    68: (("sonar-token", 0, ""),),
    69: (("snyk-token", 0, ""),),
    70: (("pulumi-token", 0, ""),),
    71: (("terraform-cloud-token", 0, ""),),
    72: (
        ("sourcegraph-token", 0, ""),
        ("ci-service-key", 2, ""),
        ("harness-token", 0, ""),
        ("octopus-key", 0, ""),
        ("openshift-token", 0, ""),
        ("deno-token", 0, ""),
        ("ai-prefixed-key", 1, ""),
        ("ai-prefixed-key", 2, ""),
    ),
    73: (("openai-key", 0, ""), ("openai-key", 1, "")),
    74: (("anthropic-key", 0, ""), ("anthropic-key", ["sk", "-ant-", "admin01-", _random("url64", 93), "AA"], "")),
    75: (("huggingface-token", 0, ""), ("huggingface-token", ["api", "_org_", _random("letters", 34)], "")),
    76: (("groq-key", 0, ""),),
    77: (("xai-key", 0, ""),),
    78: (("replicate-token", 0, ""),),
    79: (("perplexity-key", 0, ""),),
    80: (("openrouter-key", 0, ""),),
    81: (("deepseek-key", 0, ""),),
    82: (("ai-service-key", 0, ""),),
    83: (("ai-service-key", 1, ""),),
    84: (("ai-provider-key", ["tgp", "_v1_", _random("base62", 43)], ""),),
    85: (("ai-provider-key", ["fw", "_", _random("base62", 24)], ""),),
    86: (("ai-provider-key", 0, ""),),
    87: (("nvidia-key", 0, ""),),
    88: (("pinecone-key", 0, ""),),
    89: (("langsmith-key", 0, ""),),
    90: (("wandb-key", 0, ""),),
    91: (("ai-provider-key", ["sk", "_", _random("hex", 48)], ""),),
    92: (("ai-service-key", 2, ""), ("ai-service-key", _named("ASSEMBLYAI_API_KEY", "hex", 32), "")),
    93: (("sk-key", 0, ""),),
    94: (("ai-provider-key", 1, ""),),
    95: (("ai-provider-key", ["BS", "A", _random("base62", 28)], ""),),
    96: (("ai-provider-key", ["fc", "-", _random("hex", 32)], ""),),
    97: (("ai-provider-key", 2, ""), ("ai-prefixed-key", 0, ""), ("ai-service-key", 3, "")),
    98: (
        ("ai-service-key", ["OLLAMA_API_KEY=", _random("hex", 32), ".", _random("base62", 24)], ""),
        ("sk-key", 1, ""),
        ("rare-form-token", 3, ""),
        ("ai-provider-key", ["rp", "a_", _random("UPPER36", 44), "x9y2"], ""),
    ),
    99: (("uri-credentials", 0, ""), ("pgpass", 0, "root/.pgpass")),
    100: (
        ("uri-credentials", ["mysql://app:", *PASSWORD, "@db.corp.io/app"], ""),
        ("my-cnf", 0, "root/.my.cnf"),
        ("mylogin-cnf", 0, "root/.mylogin.cnf"),
    ),
    101: (("uri-credentials", 2, ""), ("mongodb-atlas-key", 0, "")),
    102: (("uri-credentials", 1, ""),),
    103: (("uri-credentials", 4, ""),),
    104: (("jdbc-password", 0, ""), ("jdbc-password", 1, ""), ("odbc-password", 0, ""), ("odbc-password", 1, "")),
    105: (("database-service-token", ["es", "su_", _random("base62", 60)], ""), ("database-service-key", 2, "")),
    106: (("database-service-key", 0, ""),),
    107: (("databricks-token", 0, ""),),
    108: (("planetscale-token", 0, ""),),
    109: (("supabase-key", 0, ""), ("supabase-key", 1, ""), ("jwt", [{"jwt": {"iss": "supabase", "role": "service_role"}}], "")),
    110: (("neon-key", 0, ""),),
    111: (("database-service-token", 0, ""), ("database-service-token", 1, ""), ("database-service-token", ["4b", "1d", _random("base62", 38)], "")),
    112: (("influxdb-token", 0, ""),),
    113: (("kubernetes-secret", 0, ""), ("kubeconfig", 0, "root/.kube/config"), ("jwt", [{"jwt": {"sub": "system:serviceaccount:a:b"}}], "run/secrets/token")),
    114: (("vault-token", 0, ""), ("vault-token", 1, ""), ("vault-unseal-key", 0, ""), ("vault-unseal-key", 1, "")),
    115: (("swarm-token", 0, ""), ("swarm-token", ["SWM", "KEY-1-", _random("base64", 43)], "")),
    116: (("database-service-key", 1, ""),),
    117: (("datadog-key", 0, ""), ("datadog-key", 1, "")),
    118: (("new-relic-key", 0, ""), ("new-relic-key", 1, "")),
    119: (("sentry-token", 0, ""), ("sentry-dsn", 0, "")),
    120: (("grafana-token", 0, ""), ("grafana-token", 1, "")),
    121: (("database-service-key", 3, ""), ("database-service-key", _named("SUMO_ACCESS_KEY", "base62", 64), "")),
    122: (
        ("observability-token", 0, ""),
        ("observability-token", ["hca", "ik_", _random("base62", 58)], ""),
        ("database-service-key", _named("PAGERDUTY_TOKEN", "base62", 20), ""),
        ("database-service-key", ["OPSGENIE_API_KEY=", *UUID], ""),
    ),
    123: (
        ("tailscale-key", 0, ""),
        ("cloud-service-key", ["NGROK_AUTHTOKEN=2", _random("base62", 26), "_", _random("base62", 21)], ""),
        ("fly-token", 0, ""),
        ("render-token", 0, ""),
        ("netlify-token", 0, ""),
        ("vercel-token", 0, ""),
        ("cloud-service-key", ["RAILWAY_TOKEN=", *UUID], ""),
        ("heroku-key", 0, ""),
        ("heroku-key", 1, ""),
    ),
    124: (("cloudflare-token", 0, ""), ("cloudflare-token", 1, ""), ("cloud-service-key", _named("FASTLY_API_TOKEN", "base62", 32), "")),
    125: (("slack-token", 0, ""), ("slack-token", 1, "")),
    126: (("slack-webhook", 0, ""),),
    127: (("discord-token", 0, ""), ("discord-webhook", 0, "")),
    128: (("telegram-token", 0, ""),),
    129: (("teams-webhook", 0, ""),),
    130: (("twilio-key", 0, ""), ("twilio-key", 1, "")),
    131: (("sendgrid-key", 0, ""),),
    132: (("mailgun-key", 0, ""), ("mailgun-key", 1, "")),
    133: (("mailchimp-key", 0, ""),),
    134: (
        ("mail-service-key", 0, ""),
        ("mail-service-key", 1, ""),
        ("mail-service-key", ["ml", "sn.", _random("hex", 64)], ""),
        ("saas-service-key", 1, ""),
        ("saas-service-key", _named("SMTP_PASSWORD", "base62", 18), ""),
    ),
    135: (("stripe-key", 0, ""), ("stripe-key", 1, ""), ("stripe-test-key", 0, ""), ("stripe-webhook-secret", 0, "")),
    136: (("paypal-token", 0, ""),),
    137: (("square-token", 0, ""), ("square-token", 1, "")),
    138: (("shopify-token", 0, ""),),
    139: (("payment-key", 0, ""), ("payment-key", 1, ""), ("payment-key", ["FLW", "SECK-", _random("hex", 32), "-X"], "")),
    140: (
        ("saas-service-key", 2, ""),
        ("saas-service-key", _named("COINBASE_API_SECRET", "base62", 32), ""),
        ("saas-service-key", _named("KRAKEN_PRIVATE_KEY", "base64", 86), ""),
    ),
    141: (("facebook-token", 0, ""), ("facebook-app-token", 0, "")),
    142: (("twitter-bearer", 0, ""), ("saas-service-key", _named("TWITTER_API_SECRET", "base62", 50), "")),
    143: (("saas-service-key", 3, ""), ("saas-service-key", _named("LINKEDIN_CLIENT_SECRET", "base62", 16), ""),
          ("saas-service-key", _named("TWITCH_CLIENT_SECRET", "base36", 30), ""), ("saas-service-key", _named("REDDIT_SECRET", "base62", 30), "")),
    144: (("okta-auth0", 0, ""), ("okta-auth0", 1, ""), ("stripe-key", ["CLERK_SECRET_KEY=sk", "_live_", _random("base62", 40)], ""),
          ("saas-service-key", _named("WORKOS_API_KEY", "base62", 40), "")),
    145: (("salesforce-session", 0, ""), ("work-service-token", ["3M", "VG9", _random("base62", 80)], "")),
    146: (("1password-token", 0, ""), ("password-manager-key", 0, ""), ("password-manager-key", 1, ""), ("doppler-token", 0, ""), ("infisical-token", 0, "")),
    147: (("notion-token", 0, ""), ("notion-token", 1, ""), ("linear-key", 0, ""), ("work-service-token", 0, ""), ("work-service-token", 1, ""),
          ("asana-token", 0, ""), ("work-service-token", ["p", "k_", _random("digits1", 8), "_", _random("UPPER36", 32)], ""),
          ("jwt", ["MONDAY_API_TOKEN=", {"jwt": {"tid": 1, "uid": 2}}], "")),
    148: (("saas-service-key", 0, ""), ("mapbox-token", 0, "")),
    149: (("postman-key", 0, ""), ("work-service-token", ["sl", ".B", _random("base62", 130)], ""), ("saas-service-key", _named("BOX_CLIENT_SECRET", "base62", 32), ""),
          ("work-service-token", ["CF", "PAT-", _random("base62", 43)], ""),
          ("uri-credentials", ["cloudinary://", _random("digits1", 15), ":", _random("base62", 27), "@corp"], "")),
    150: (("work-service-token", 2, ""), ("saas-service-key", _named("INTERCOM_ACCESS_TOKEN", "base62", 60), ""), ("saas-service-key", 4, ""),
          ("sourcegraph-token", ["sg", "p_", _random("hex", 40)], ""), ("saas-service-key", _named("AMPLITUDE_API_KEY", "hex", 32), ""),
          ("observability-token", ["ph", "x_", _random("base62", 43)], ""), ("observability-token", 1, "")),
    151: (("recaptcha-secret", 0, ""), ("vapid-key", 0, ""), ("tink-keyset", 0, "")),
    152: (("work-service-token", ["zp", "ka_", _random("hex", 32), "_", _random("hex", 8)], ""), ("ai-prefixed-key", ["unk", "ey_", _random("base62", 24)], ""),
          ("work-service-token", ["rd", "me_", _random("base36", 70)], ""), ("work-service-token", ["tf", "p_", _random("base62", 44)], ""),
          ("saas-token", 0, ""), ("saas-token", 1, ""), ("saas-service-key", _named("OPENWEATHER_API_KEY", "hex", 32), "")),
}  # fmt: skip
RULES = {rule.id: rule for rule in own_pack().rules}
ROWS = [
    pytest.param(f"secret-{rule}", example, path, id=f"{number}-{rule}-{place}")
    for number, rows in TYPES.items()
    for place, (rule, example, path) in enumerate(rows)
]


def test_every_type_has_a_row() -> None:
    assert sorted(TYPES) == list(range(1, 153))
    assert all(TYPES.values())


@pytest.mark.parametrize(("rule_id", "example", "path"), ROWS)
def test_a_type_is_found(scanner: SecretScanner, rule_id: str, example: int | Parts, path: str) -> None:
    rule = RULES[rule_id]
    parts = rule.examples[example] if isinstance(example, int) else example
    text = assemble(parts, f"{rule_id}/{example!r}/type")
    found = scanner.scan_bytes(text, path=path or f"app/{rule.file}")
    assert rule_id in [hit.rule.id for hit in found], [hit.rule.id for hit in found]
