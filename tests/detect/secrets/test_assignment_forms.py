"""Passwords as the languages and formats of configuration write them: found in each; and what only looks like one."""

from __future__ import annotations

import random
import string

import pytest

from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Confidence, Severity

_LETTERS = string.ascii_letters + string.digits
_VALUE = "\N{SECTION SIGN}"


def _random(length: int, letters: str = _LETTERS) -> str:
    return "".join(random.Random(f"{length} {letters}").choices(letters, k=length))


PASSWORDS = {
    "mixed": _random(4) + "7" + _random(5),
    "signs": _random(6) + "!" + _random(3) + "4",
    "hexadecimal": "f3" + _random(14, "0123456789abcdef"),
    "small-letters": _random(7, string.ascii_lowercase) + "481",
}
"""A short one of letters of both cases and a digit, and others that people and programs choose."""

FORMS = [
    ("README.md", "Log in as `admin` with the password `§`."),
    ("README.md", "- **Password:** §"),
    ("main.pkr.hcl", 'password                             = "§"'),
    ("app.ini", "smtp_password                 =                 §"),
    ("values.yaml", "password:                              §"),
    ("train.ipynb", '"os.environ[\\"WANDB_API_KEY\\"] = \\"§\\"\\n"'),
    ("train.ipynb", '"client = Client(api_key=\\"§\\")"'),
    ("logins.sql", "CREATE LOGIN app WITH PASSWORD = N'§'"),
    ("Module1.vb", 'Const SQL_PASSWORD As String = "§"'),
    ("Keys.kt", 'val amplitudeSecret by lazy { "§" }'),
    ("gate.lua", "jwt_secret = [[§]]"),
    ("config.exs", '{:password, "§"}'),
    ("main.cpp", 'std::string password{"§"};'),
    ("values.yaml", "apiKeys:\n  - value: §"),
    ("values.yaml", "sessionKeys:\n- §"),
    ("docs/README.md", "| password | `§` |"),
    ("NOTES.txt", "smtp password is §"),
    ("page.html", '<input name="api_password" value="§">'),
    ("page.html", '<div data-api-token="§">'),
    ("macro.vbs", 'strPassword = "§"'),
    ("seed.sql", "UPDATE settings SET value = '§' WHERE name = 'smtp_password';"),
    ("users.csv", 'name,password,mail\n"Doe, J","§",x\n'),
    ("users.csv", "name;password\r\nx;§\r\n"),
    ("users.tsv", "login\tpassword\nx\t§"),
    ("seed.sql", "INSERT INTO `users` (`id`, `password`) VALUES (1, 'x'), (2,\n '§');"),
    (
        "dump.sql",
        "CREATE TABLE users (\n id int(11),\n password varchar(9),\n KEY x (id)\n);\nINSERT INTO users VALUES (1,'§');",
    ),
    ("dump.sql", "COPY public.users (id, password) FROM stdin;\n1\t§\n\\.\n"),
    ("run.sh", "sed -i 's/@DB_PASSWORD@/§/' app.conf"),
    (".s3cfg", "gpg_passphrase = §"),
    ("settings.py", "config('DB_PASSWORD', default='§')"),
    ("args.py", "parser.add_argument('--password', default='§')"),
    ("config.rb", "ENV.fetch('DB_PASSWORD') { '§' }"),
    ("Options.cs", 'public string Password { get; set; } = "§";'),
    ("build.gradle", 'buildConfigField "String", "API_SECRET", "\\"§\\""'),
    ("hibernate.cfg.xml", '<property name="connection.password">§</property>'),
    ("beans.xml", '<property name="password"><value>§</value></property>'),
    ("web.xml", "<param-name>password</param-name>\n<param-value>§</param-value>"),
    ("strings.xml", '<string name="db_password" translatable="false">§</string>'),
    ("arm.parameters.json", '{"adminPassword": {"value": "§"}}'),
    ("stack.yaml", "DBPassword:\n    Type: String\n    NoEcho: true\n    Default: §"),
    ("deploy.yaml", "env:\n- value: §\n  name: DB_PASSWORD"),
    ("postman.json", '{"key": "client_secret", "type": "text", "value": "§"}'),
    ("analysis.R", "password <- '§'"),
    ("wifi.ino", 'const char* password = "§";'),
    ("etc/keepalived.conf", "  auth_pass §"),
    ("etc/spark-defaults.conf", "spark.ssl.keyPassword      §"),
    ("vars.yml", "mysql_mdp: §"),
    ("usr/local/bin/backup.sh", 'DB_PASS="§"'),
    ("backup.sh", "mysqldump -u root -p'§' app"),
    ("ci.yml", '- run: echo "§" | docker login -u ci --password-stdin'),
    ("preseed.cfg", "d-i passwd/root-password password §"),
    ("haproxy.cfg", "stats auth admin:§"),
    ("client.go", 'smtp.PlainAuth("", "u@corp.io", "§", host)'),
    ("wifi.cpp", 'WiFi.begin("office", "§");'),
    ("init.sql", "GRANT ALL ON *.* TO 'app'@'%' IDENTIFIED BY '§';"),
    ("init.sql", "SET PASSWORD FOR app = PASSWORD('§');"),
    ("config.h", '#define API_PASSWORD "§"'),
    ("main.c", 'const char *password = "§";'),
    ("root/.bashrc", "export DB_PASSWORD=§"),
    ("tool.ipynb", '{"source": ["password = \\"§\\"\\n"]}'),
    ("folded.yml", "password: >-\n  §"),
    ("list.yml", "passwords:\n  - §"),
    ("list.json", '{"passwords": ["§"]}'),
    ("quotes.toml", "password = '''§'''"),
    ("typed.py", 'PASSWORD: Final = "§"'),
    ("check.js", 'if (password === "§") {'),
    ("core-site.xml", "<name>x.ConnectionPassword</name>\n<value>§</value>"),
    ("value.xml", '<Password value="§"/>'),
    ("Main.java", 'static final String password =\n        "§";'),
    ("a.ps1", '"ConvertTo-SecureString \\"§\\""'),
    ("b.ps1", "ConvertTo-SecureString -String -Force §"),
    ("Setter.java", 'setPassword("§");'),
    ("config/default.json", '{\n  "db": {\n    "host": "db1.corp",\n    "password": "§"\n  }\n}'),
    ("settings.json", '{"dbPassword":"§"}'),
    ("app.json", '{"client_secret": "§"}'),
    ("nodemailer.js", 'const t = nodemailer.createTransport({ auth: { user: "a@corp.io", pass: "§" } });'),
    ("mail.json", '{"auth": {"user": "a@corp.io", "pass": "§"}}'),
    ("task.json", '{"environment":[{"name":"DB_PASSWORD","value":"§"}]}'),
    ("ecs.json", '{\n "name": "DB_PASSWORD",\n "value": "§"\n}'),
    ("deploy.yaml", "env:\n  - name: DB_PASSWORD\n    value: §\n"),
    ("docker-compose.yml", "services:\n  db:\n    environment:\n      - POSTGRES_PASSWORD=§\n"),
    ("app.toml", '[db]\npassword = "§"\n'),
    ("app.ini", "[db]\npassword = §\n"),
    ("app.properties", "spring.datasource.password=§\n"),
    ("ds.xml", '<datasource user="sa" password="§" />'),
    ("server.xml", "<password>§</password>"),
    ("conf.php", "return ['password' => '§'];"),
    ("conf2.php", '$password = "§";'),
    ("wp-config.php", "define('DB_PASSWORD', '§');"),
    ("cfg.php", "$config['db']['password'] = '§';"),
    ("db.js", "const secret = process.env.JWT_SECRET || '§';"),
    ("s.py", 'SECRET_KEY = os.environ.get("SECRET_KEY", "§")'),
    ("s3.py", "DATABASES = {'default': {'PASSWORD': '§'}}"),
    ("s4.py", 'conn = psycopg2.connect(host="db", user="app", password="§")'),
    ("s5.py", 'os.environ["DB_PASSWORD"] = "§"'),
    ("B.java", '@Value("${db.password:§}")'),
    ("C.java", 'ds.setPassword("§");'),
    ("x.go", 'Password: "§",'),
    ("main.tf", 'variable "db_password" {\n  default = "§"\n}'),
    ("main2.tf", 'password = "§"'),
    ("build.sbt", 'val nexusPassword = "§"'),
    ("play.yml", "ansible_become_password: §"),
    ("run.sh", "export PGPASSWORD=§"),
    ("run2.sh", "PGPASSWORD='§' psql -h db"),
    ("run3.sh", "kubectl create secret generic x --from-literal=password=§"),
    ("run4.sh", "docker run -e MYSQL_ROOT_PASSWORD=§ mysql"),
    ("run5.sh", "curl -u admin:§ https://ci.corp.io/job"),
    ("run6.sh", "sshpass -p § ssh root@h"),
    ("run7.sh", "mysql -uroot -p§ db"),
    ("Dockerfile", "FROM x\nENV DB_PASSWORD=§\n"),
    ("x/Dockerfile", "ENV DB_PASSWORD §"),
    (".env", "MYSQLPASSWORD=§"),
    ("b.env", "adminpassword=§"),
    ("c.env", "SMTP_PASS=§"),
    ("d.env", "rootpw=§"),
    ("e.env", "PASS=§"),
    ("app4.yml", "pass: §"),
    ("db.yml", "production:\n  password: §"),
    ("x.groovy", "password = '§'"),
    ("x.gradle", 'storePassword "§"'),
    ("gradle.properties", "signing.keyPassword=§"),
    ("my.cnf", "[client]\npassword=§"),
    ("x.conf", "requirepass §"),
    ("odbc.ini", "PWD = §"),
    ("x.reg", '"DefaultPassword"="§"'),
    ("x.ps1", '$Password = "§"'),
    ("x.bat", "set DB_PASSWORD=§"),
    ("Jenkinsfile", 'environment { DB_PASSWORD = "§" }'),
    ("crontab", "0 1 * * * DB_PASSWORD=§ /backup.sh"),
    ("x.plist", "<key>Password</key>\n<string>§</string>"),
    ("x.lua", 'password = "§"'),
    ("x.pl", 'my $password = "§";'),
    ("Makefile", "DB_PASSWORD := §"),
    ("x.service", "Environment=DB_PASSWORD=§"),
]


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS.keys())
@pytest.mark.parametrize(("name", "text"), FORMS, ids=[f"{name}-{index}" for index, (name, _) in enumerate(FORMS)])
def test_a_password_is_found_however_it_is_written(name: str, text: str, password: str, scanner: SecretScanner) -> None:
    data = text.replace(_VALUE, password).encode() + b"\n"
    hits = scanner.scan_bytes(data, path=f"srv/{name}")
    assert [hit.secret.decode() for hit in hits if hit.secret.decode() in (password, f":{password}")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("results.json", '{"Output": "--- PASS: TestAddr2 (0.00s)"}'),
        ("results.json", '{"TLS13-Server": "PASS", "TLS12-Client9": "PASS"}'),
        ("types.json", '{"AWS::IAM::AccessKey": "72c2d9dd90025459"}'),
        ("de.json", '{"password": "Passwort", "passwordAgain": "Passwort?", "secret": "Geheimnis*"}'),
        ("keys.go", '"encryptionKey": "encryptionKey1024",'),
        ("user_test.go", "expectedPasswd := `root:x:0:0:root:/root:/bin/ash"),
        ("key.go", 'key, err := privateKeyFromPEM("ed25519-private.pem")'),
        ("lookup.go", 'found, err := manager.lookupSecret("mysecret2")'),
        ("swagger.yaml", 'password: "hunter2"'),
        ("start", 'PASSWORD="$1"\nexport TOKEN=$(cat /run/secrets/token)'),
        ("de.json", '{"passwordHint": "Bitte 2x das neue Passwort f\u00fcr $1 eingeben"}'),
        ("ko.properties", "auth.password=\\\\uc554\\\\ud638 {0}"),
        ("url.py", 'HEX_PAT = "[0-9A-Fa-f]{1,4}"'),
        ("compose.yml", "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it in 2nd.env}"),
        ("app.properties", "db.password=@db.password1@"),
        ("security.yaml", "secret: '%env(resolve:APP_SECRET2)%'"),
        ("values.yaml", "existingSecret: my-redis-6-secret"),
        ("actions.js", 'export const SET_TOKEN = "auth/SET_TOKEN_2"'),
        ("page.js", 'const passwordSelector = "#password2"'),
        ("policy.json", '"arn:aws:secretsmanager:eu-west-1:123456789012:secret:Database-a1b2c3"'),
        ("run.sh", "wget --user bob --ask-password https://files.corp.internal/x2"),
        ("tokenize.c", "auth types.AuthConfig"),
        ("README.md", "The password is required, the token `expires_in` seconds."),
        ("README.md", "| password | `string` | your password |"),
        ("guide.md", "password: abcd1234efgh"),
        ("users.csv", "name,password_policy,tokens\nx,min12chars,1200000\n"),
        ("users.csv", "name,password\nx,y,abcdef123456\n"),
        ("run.sh", "sed -i 's/^password=.*/password=/' app.conf"),
        ("VERSIONS", "secrets: 3.6-\ntoken: 3.0-"),
        ("env.sh", 'test -n "$PASSWORD" || exit 12'),
        ("deploy.yaml", "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: {name: db2, key: password1}"),
        ("x.conf", "pass = 3"),
        ("compose.yml", "services:\n  app:\n    secrets:\n      - secret1\n      - db2_password"),
        ("registries.conf", 'credential-helpers = ["helper-1", "helper-2"]'),
        ("float8.hpp", "DNNL_API float8_e5m2_from_f32x16(int a);"),
        ("z3_api.h", "def_API('Z3_mk_re_power_of_2', AST, (_in(CONTEXT)))"),
        ("page.json", '{"NextPageToken": "1w41l63U0xa8q7smH50vCxyTQqdxo69O3EmK28Bi5PcROI4wI"}'),
        ("style.py", 'Token: "#f8f8f2",'),
        ("x.yml", "password:\n  hint: abc1def2"),
        (".git/config", "[user]\n\tsigningkey = 2158CA9B90FAF72423FCC96A829455B0392B2DDD"),
        ("app.env", "JWT_SECRET=__JWT_SECRET__\nTOKEN=%%TOKEN_V2%%\nDB_PASSWORD=[password]"),
        ("values.yaml", "passThrough: enabled4All\npassword_encoder: bcrypt12"),
        ("local.settings.json", '{"DB_PASSWORD": "@Microsoft.KeyVault(VaultName=v1;SecretName=db2)"}'),
        ("kinds.ts", "Secret = 'SECRET_TOKEN_V2'"),
        ("ci.yml", "cache_key: v2-deps-dc3d6f8e3c7d9116662971d69febe0e1"),
        ("Earthfile", "RUN --secret NPM_TOKEN=npm_token npm ci"),
        ("form.json", '{"password": "form.login.password2"}'),
        ("noise.txt", "v7V=':6z)UtC5'SJ9`'0A@gX{9tRPq0d9G/Y<sGOM6bBiI.^zTea0Z[Ope;6vY7]}0K+#~pw_pass=x9Kd!2Lm#Qz7@"),
        ("keytool.sh", "keytool: try again with -destkeypass specified."),
        ("messages.sh", "%1$s -destkeypass \\u65F6\\u91CD\\u8BD5\\u3002"),
        ("ftp.py", 'ftp.login("anonymous", "john.doe@mydomain.com")'),
        ("go.sum.go", '{"github.com/armon/consul-api", "0.0.0-20180202201655-eb2c6b5be1b6", ""},'),
        (
            "page.html",
            "if(passNumber===0){drawProjectedQuadBackground2ToContext(quad,p1);}else if(passToken===0){drawQuad7(q);}",
        ),
        (
            "api.xml",
            'Value="public class RfcSaslCredentials : Novell.Directory.Ldap.Asn1.Asn1Sequence, System.Runtime"',
        ),
        ("large.json", '{"LCaPwdNZbQIB":"' + _random(12) + '","Rx9VPmYPw7mC":"' + _random(12) + '"}'),
    ],
)
def test_what_is_no_password(name: str, text: str, scanner: SecretScanner) -> None:
    assert not scanner.scan_bytes(text.encode() + b"\n", path=f"srv/{name}")


def test_in_a_comment_it_is_a_hint(scanner: SecretScanner) -> None:
    (hit,) = scanner.scan_bytes(b";secret_key = " + _random(20).encode() + b"7\n", path="etc/grafana/grafana.ini")
    assert hit.severity is Severity.LOW


@pytest.mark.parametrize(
    ("path", "name", "value", "severity"),
    [
        pytest.param("srv/config.json", "password", PASSWORDS["mixed"], Severity.MEDIUM, id="made"),
        pytest.param("srv/config.json", "password", PASSWORDS["signs"], Severity.MEDIUM, id="chosen-with-care"),
        pytest.param("srv/config.json", "password", "sommer" + "2024", Severity.LOW, id="a-word-and-a-year"),
        pytest.param("srv/config.json", "session_secret", _random(32) + "7", Severity.MEDIUM, id="made-for-a-key"),
        pytest.param("srv/config.json", "access_token", "Kx7mixedQ2words", Severity.LOW, id="hardly-made-for-a-token"),
        pytest.param("srv/login.py", "password", PASSWORDS["mixed"], Severity.LOW, id="in-a-program"),
        pytest.param("srv/settings.py", "password", PASSWORDS["mixed"], Severity.MEDIUM, id="in-a-program-of-settings"),
        pytest.param("infra/main.tf", "password", PASSWORDS["mixed"], Severity.MEDIUM, id="in-declared-infrastructure"),
        pytest.param(
            "srv/config.json", "access_key", "QX7A" * 4 + "K2ZJ", Severity.LOW, id="the-half-that-names-a-key"
        ),
        pytest.param(
            "srv/config.json", "password", "harbour" + "-lantern-42", Severity.MEDIUM, id="words-and-a-number"
        ),
    ],
)
def test_in_a_file_a_password_by_its_name_alone_is_a_hint_unless_it_looks_like_nothing_else(
    path: str, name: str, value: str, severity: Severity, scanner: SecretScanner
) -> None:
    (hit,) = scanner.scan_bytes(f'{{"{name}": "{value}"}}'.encode(), path=path)
    assert (hit.rule.id, hit.severity) == ("secret-env-assignment", severity)
    assert hit.confidence is not Confidence.HIGH


@pytest.mark.parametrize("value", ["(§", "§]", "§,x", "a;§", "x>§", "&§", "*§"])
@pytest.mark.parametrize("form", ["password: '§'", 'password = "§"', '{"password": "§"}'])
def test_in_quotes_any_character_may_stand(form: str, value: str, scanner: SecretScanner) -> None:
    secret = value.replace(_VALUE, PASSWORDS["mixed"])
    hits = scanner.scan_bytes(form.replace(_VALUE, secret).encode(), path="srv/app.yml")
    assert [hit.secret.decode() for hit in hits] == [secret]


@pytest.mark.parametrize(
    ("path", "rule_id"),
    [
        ("etc/rsyncd.secrets", "secret-service-account-file"),
        ("srv/conf/rsyncd.secrets", "secret-service-account-file"),
        ("srv/notes.txt", None),
        ("srv/rsyncd.secrets.d/x", None),
    ],
)
def test_files_of_certain_names_have_rules_of_their_own(path: str, rule_id: str | None, scanner: SecretScanner) -> None:
    hits = scanner.scan_bytes(f"backup:{PASSWORDS['mixed']}\n".encode(), path=path)
    assert [hit.rule.id for hit in hits] == ([rule_id] if rule_id else [])


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        pytest.param("run/secrets/db_password", PASSWORDS["mixed"], True, id="mounted"),
        pytest.param("app/secrets/db.txt", PASSWORDS["signs"] + "\n", True, id="folder"),
        pytest.param("app/db_password.txt", PASSWORDS["small-letters"] + "\n", True, id="name"),
        pytest.param("app/secrets/index.js", "module.exports = 1\n", False, id="program"),
        pytest.param("app/secrets/db.txt", "postgres\n", False, id="weak"),
        pytest.param("app/secrets/.gitkeep", "", False, id="empty"),
        pytest.param("app/names.txt", PASSWORDS["mixed"] + "\n", False, id="another-name"),
    ],
)
def test_a_value_in_a_file_of_its_own(path: str, text: str, found: bool, scanner: SecretScanner) -> None:
    hits = scanner.scan_bytes(text.encode(), path=path)
    assert [hit.rule.id for hit in hits] == ["secret-value-file"] * found


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Harbour" + ".lantern.2024", id="words-and-a-year"),
        pytest.param("tide.lamp" + ".seven7", id="words-and-a-number"),
        pytest.param(_random(20, string.ascii_uppercase), id="capitals"),
        pytest.param(_random(20, string.ascii_lowercase), id="small-letters"),
        pytest.param("qzkf-wbxt" + "-hjvm-plgd", id="made-for-an-application"),
    ],
)
@pytest.mark.parametrize("form", ["db_password: §", 'password = "§"', '{"password": "§"}'])
def test_passwords_that_look_like_names(form: str, value: str, scanner: SecretScanner) -> None:
    hits = scanner.scan_bytes(form.replace(_VALUE, value).encode() + b"\n", path="srv/app.conf")
    assert [hit.secret.decode() for hit in hits] == [value]


def test_a_checksum_that_helm_notes_is_none(scanner: SecretScanner) -> None:
    text = b"annotations:\n  checksum/secret: " + _random(64, "0123456789abcdef").encode() + b"\n"
    assert all(hit.severity is Severity.LOW for hit in scanner.scan_bytes(text, path="srv/pod.yaml"))
