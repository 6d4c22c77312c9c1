import { readFileSync } from 'node:fs';
import pg from 'pg';

/**
 * A connection pool for `url`. The password comes from `passwordFile` (a mounted secret), so that it is in no
 * environment variable and `docker inspect` does not show it; a URL with a password works too, for local runs.
 */
export function openPool(url: string, passwordFile?: string): pg.Pool {
  const { hostname, port, username, password, pathname } = new URL(url);
  const pool = new pg.Pool({
    host: hostname,
    port: Number(port || 5432),
    user: decodeURIComponent(username),
    database: pathname.slice(1),
    password: passwordFile ? readFileSync(passwordFile, 'utf8').trim() : decodeURIComponent(password),
    connectionTimeoutMillis: 2000,
  });
  // Without a listener, an idle connection that the server closes ends the process.
  pool.on('error', (error) => console.error('database connection lost:', error.message));
  return pool;
}
