"""What stands around the image: the project's own files, read and judged without an engine.

tree            every file of the project, bounded, links not followed
setup           the whole set-up, read once: what the detectors are given
compose/        compose files as compose reads them
env/            variables of compose files, examples, services and sources compared (CONFIG-001)
shell/          shell texts, parsed: scripts, package scripts, make recipes, CI steps, README code
sources/        variables read and addresses bound by the application
data/           volumes that can be lost, and wrappers that let it happen (DATA-001)
backup/         scripts that back up and restore (OPS-003)
bindmodules     mounts that hide the packages of an image (TECH-001)
workspace …     monorepo builds, simulated stage by stage (TECH-001)
contextfiles …  what reaches the build context that should not (SEC-001)
"""
