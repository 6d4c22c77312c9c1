import { serve } from '@hono/node-server';
import { migrate, openNotes, openPool } from '@antone/database';
import { createApp } from './app.js';
import { readConfig } from './config.js';

const config = readConfig(process.env);
const pool = openPool(config.databaseUrl, config.databasePasswordFile);
for (const name of await migrate(pool)) console.log('migrated:', name);

const app = createApp({ notes: openNotes(pool) });
const server = serve({ fetch: app.fetch, hostname: config.host, port: config.port }, ({ address, port }) => {
  console.log(`listening on ${address}:${port}`);
});

// `docker stop` sends SIGTERM: finish what is being answered, then leave before the engine kills the process.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close(() => void pool.end().finally(() => process.exit(0)));
  });
}
