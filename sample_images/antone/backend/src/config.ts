export interface Config {
  host: string;
  port: number;
  databaseUrl: string;
  databasePasswordFile?: string;
}

/** The service's settings; a missing or senseless one ends the start with its name, not the tenth request. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const databaseUrl = env.DATABASE_URL;
  if (!databaseUrl || !URL.canParse(databaseUrl)) throw new Error('DATABASE_URL is missing or no URL');
  const port = Number(env.PORT ?? 3001);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('PORT is no port number');
  return {
    // Every interface: inside a container, 127.0.0.1 can be reached by nobody else.
    host: env.HOST ?? '0.0.0.0',
    port,
    databaseUrl,
    databasePasswordFile: env.DATABASE_PASSWORD_FILE,
  };
}
