"""Variables, servers and routes in JavaScript and TypeScript."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.project.sources.javascript import read
from imgscan.project.sources.records import EnvRead, Route

READS = {
    "plain": ("use(process.env.A);", [("A", None, False, False)]),
    "by a string": ("use(process.env['A-B'] ?? process.env[\"B\"]);", [("B", None, False, False)]),
    "nullish": ("const a = process.env.A ?? 'x';", [("A", "x", False, True)]),
    "or": ("const a = process.env.A || `x`;", [("A", "x", False, True)]),
    "converted": ("const a = Number(process.env.A) || 3000;", [("A", "3000", False, True)]),
    "converted outside": ("const a = parseInt(process.env.A ?? '3000', 10);", [("A", "3000", False, True)]),
    "or something unknown": ("const a = process.env.A ?? other();", [("A", None, False, True)]),
    "assertion of its type": ("const a = process.env.A! as string;", [("A", None, False, False)]),
    "destructured": (
        "const { A, B = '2', C: c, D: d = 'x', ...rest } = process.env;",
        [("A", None, False, False), ("B", "2", False, True), ("C", None, False, False), ("D", "x", False, False)],
    ),
    "import.meta": ("use(import.meta.env.VITE_A);", [("VITE_A", None, False, False)]),
    "another name": ("const env = process.env; use(env.A);", [("A", None, False, False)]),
    "a parameter by its type": ("function f(env: NodeJS.ProcessEnv) { return env.A; }", [("A", None, False, False)]),
    "a parameter by its default": ("const f = (env = process.env) => env.A;", [("A", None, False, False)]),
    "a parameter by a call": ("function f(e) { return e.A; }\nf(process.env);", [("A", None, False, False)]),
    "imported": ("import { env } from 'node:process';\nuse(env.A);", [("A", None, False, False)]),
    "throws": ("if (!process.env.A) throw new Error('A');", [("A", None, True, False)]),
    "throws by a name": ("const a = process.env.A;\nif (!a) { throw new Error('A'); }", [("A", None, True, False)]),
    "exits": ("if (process.env.A === undefined) process.exit(1);", [("A", None, True, False)]),
    "asserted": ("assert(process.env.A);", [("A", None, True, False)]),
    "tested": ("if (process.env.A) { on(); }", [("A", None, False, False)]),
    "set, not read": ("process.env.A = 'x'; delete process.env.B;", []),
    "in a comment": ("// process.env.A\nconst s = 'process.env.B';", []),
    "zod": (
        "const env = z.object({ A: z.string(), B: z.coerce.number().default(3), C: z.string().optional(),\n"
        "  D: z.string().default('x') }).parse(process.env);",
        [("A", None, True, False), ("B", "3", False, True), ("C", None, False, True), ("D", "x", False, True)],
    ),
    "zod by a name": (
        "const S = z.object({ A: z.string().min(1) });\nexport const env = S.safeParse(process.env);",
        [("A", None, True, False)],
    ),
    "envalid": (
        "const env = cleanEnv(process.env, { A: str(), B: port({ default: 3000 }), C: str({ default: undefined }) });",
        [("A", None, True, False), ("B", "3000", False, True), ("C", None, False, True)],
    ),
    "znv": ("parseEnv(process.env, { A: z.string().default('q') });", [("A", "q", False, True)]),
    "t3-env": (
        "createEnv({ server: { A: z.string() }, client: { B: z.string().optional() }, runtimeEnv: process.env });",
        [("A", None, True, False), ("B", None, False, True)],
    ),
    "joi": (
        "Joi.object({ A: Joi.string().required(), B: Joi.number().default(5) });",
        [("A", None, True, False), ("B", "5", False, True)],
    ),
    "nest": (
        "this.configService.get<string>('A', 'x'); config.getOrThrow('B');",
        [("A", "x", False, False), ("B", None, True, False)],
    ),
    "a helper": ("const a = getEnv('A', 'x');", [("A", "x", False, False)]),
    "a schema of something else": ("const b = z.object({ A: z.string() }).parse(body);", []),
}


@pytest.mark.parametrize(("text", "expected"), READS.values(), ids=READS)
def test_reads(text: str, expected: list[tuple[str, str | None, bool, bool]]) -> None:
    found = read({"src/index.ts": text}, {}).reads
    assert [(each.name, each.default, each.required) for each in found] == [each[:3] for each in expected]
    wanted = {name: optional for name, _, _, optional in expected if optional}
    assert all(each.optional for each in found if wanted.get(each.name))


BINDS = {
    "hono": ("import { serve } from '@hono/node-server';\nserve({ fetch, hostname: '127.0.0.1', port: 1 });", ("hono", "127.0.0.1", 1)),
    "hono with a callback": ("import { serve } from '@hono/node-server';\nserve({ fetch, port: 2 }, (i) => i);", ("hono", None, 2)),
    "express": ("const app = require('express')();\napp.listen(3000, () => log());", ("express", None, 3000)),
    "express with a host": ("import express from 'express';\napp.listen(3000, 'localhost', () => {});", ("express", "localhost", 3000)),
    "a named port": ("import express from 'express';\nconst PORT = 3000;\napp.listen(PORT);", ("express", None, 3000)),
    "a port with a fallback": ("import express from 'express';\napp.listen(process.env.PORT || 8080);", ("express", None, 8080)),
    "http": ("import http from 'node:http';\nhttp.createServer(f).listen(80, '0.0.0.0');", ("http", "0.0.0.0", 80)),
    "http by options": ("import http from 'http';\nserver.listen({ host: '::1', port: 80 });", ("http", "::1", 80)),
    "fastify": ("import Fastify from 'fastify';\nawait Fastify().listen({ port: 3000 });", ("fastify", None, 3000)),
    "fastify with a host": ("import Fastify from 'fastify';\napp.listen({ port: 3, host: '0.0.0.0' });", ("fastify", "0.0.0.0", 3)),
    "nest": ("import { NestFactory } from '@nestjs/core';\nawait app.listen(3000);", ("nest", None, 3000)),
    "bun": ("Bun.serve({ port: 3000, hostname: 'localhost', fetch });", ("Bun.serve", "localhost", 3000)),
    "ws": ("import { WebSocketServer } from 'ws';\nnew WebSocketServer({ port: 8080 });", ("ws", None, 8080)),
    "no server: an event": ("emitter.listen('port', f);", None),
    "no server: a history": ("history.listen((port) => {});", None),
    "no server: a socket path": ("server.listen('/tmp/port.sock');", None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BINDS.values(), ids=BINDS)
def test_binds(text: str, expected: tuple[str, str | None, int | None] | None) -> None:
    found = read({"src/index.ts": text}, {}).binds
    assert [(each.framework, each.host, each.port) for each in found] == ([expected] if expected else [])


def test_fastify_listens_on_loopback_unless_it_is_told() -> None:
    text = (
        "import Fastify from 'fastify';\nawait app.listen({ port: 3000 });\nawait app.listen({ port: 1, host: h() });"
    )
    first, second = read({"a.ts": text}, {}).binds
    assert (first.framework_host, first.host_known) == ("localhost", True)
    assert (second.framework_host, second.host_known) == (None, False)


def test_fastify_is_known_by_its_package() -> None:
    manifest = {"api/package.json": '{"dependencies": {"fastify": "5"}}', "package.json": "{}"}
    (bind,) = read({"api/src/start.ts": "await build().listen({ port: 3000 });"}, manifest).binds
    assert bind.framework == "fastify"


def test_a_value_of_another_module_is_found() -> None:
    texts = {
        "src/config.ts": "export const read = (env: NodeJS.ProcessEnv) => ({ host: env.HOST ?? '127.0.0.1', port: 1 });",
        "src/index.ts": "import { read } from './config.js';\nimport { serve } from '@hono/node-server';\n"
        "const config = read(process.env);\nserve({ fetch, hostname: config.host, port: config.port });",
        "src/pool.ts": "connect({ host: hostname, port: port });",
    }
    (bind,) = read(texts, {}).binds
    assert (bind.host, bind.host_variable, bind.port) == ("127.0.0.1", "HOST", 1)


def test_a_name_of_the_environment_schema_is_found() -> None:
    text = "const env = z.object({ PORT: z.coerce.number().default(4000) }).parse(process.env);\nimport express from 'express';\napp.listen(env.PORT);"
    (bind,) = read({"index.ts": text}, {}).binds
    assert (bind.port, bind.port_variable) == (4000, "PORT")


def test_places_count_characters() -> None:
    text = "// ä€😀\nimport { serve } from '@hono/node-server';\nserve({ fetch, hostname: '127.0.0.1', port: 1 });"
    (bind,) = read({"index.ts": text}, {}).binds
    assert bind.mend is not None
    assert text[bind.mend.start : bind.mend.end] == "'127.0.0.1'"


ROUTES = {
    "express": ("app.get('/health', (q, r) => r.send());", [("/health", "GET")]),
    "no route: a request": ("await axios.get('/health');", []),
    "mount": ("app.use('/api', router); app.route('/v1', sub);", [("/api", "MOUNT"), ("/v1", "MOUNT")]),
    "fastify": ("app.route({ method: 'GET', url: '/h', handler });", [("/h", None)]),
    "prefix": ("app.register(routes, { prefix: '/api' });", [("/api", "MOUNT")]),
    "nest": (
        "@Controller('a')\nclass C { @Get('b') m() {} @Post() n() {} }",
        [("/a", "MOUNT"), ("/b", "GET"), ("/", "POST")],
    ),
    "nest prefix": ("app.setGlobalPrefix('api');", [("/api", "MOUNT")]),
}


@pytest.mark.parametrize(("text", "expected"), ROUTES.values(), ids=ROUTES)
def test_routes(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert [(each.path, each.method) for each in read({"src/index.ts": text}, {}).routes] == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("app/api/health/route.ts", "/api/health"),
        ("src/app/(group)/api/x/route.js", "/api/x"),
        ("pages/api/health.ts", "/api/health"),
        ("pages/api/index.js", "/api"),
    ],
)
def test_files_of_next_are_routes(path: str, expected: str) -> None:
    routes = read({path: "export function GET() { return process.env.A; }"}, {}).routes
    assert Route(file=path, line=1, path=expected) in routes


def test_scripts_of_components_keep_their_lines() -> None:
    text = "<template>\n  <p>{{ a }}</p>\n</template>\n<script setup lang='ts'>\nconst a = import.meta.env.VITE_A;\n</script>\n"
    assert read({"src/App.vue": text}, {}).reads == (EnvRead(name="VITE_A", file="src/App.vue", line=5),)


HOSTILE = {
    "deep parentheses": "process.env.A" + "(" * 100_000,
    "deep lists": "[" * 50_000 + "process.env.A" + "]" * 50_000,
    "names that stand for each other": "const port = port2; const port2 = port; import 'express'; app.listen(port);"
    * 50,
    "a chain of names": "".join(f"const p{i} = p{i + 1};" for i in range(5_000)) + "app.listen(p0, process.env.HOST);",
    "objects in objects": "z.object(" * 5_000 + "process.env",
    "not UTF-8": "process.env.A ?? '\udc80'",
    "a nul": "process.env.A\0",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_end(text: str) -> None:
    read({"index.ts": text, "other.js": text, "c.vue": f"<script>{text}</script>"}, {"package.json": "{" * 10_000})


PIECES = [
    "process.env.",
    "PORT",
    "{",
    "}",
    "(",
    ")",
    "listen",
    ".",
    "'",
    "`",
    "${",
    "=",
    "const ",
    "??",
    "[",
    "]",
    "\n",
    "😀",
    "z.object",
    ",",
    ":",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_anything_is_read(text: str) -> None:
    found = read({"a.ts": text, "b.tsx": text, "c.jsx": text}, {})
    lines = [*(x.line for x in found.reads), *(x.line for x in found.binds), *(x.line for x in found.routes)]
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)
