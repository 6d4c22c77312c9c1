import { z } from 'zod';

/** What `/health` answers: the process is up, and `db` says whether the database answers it. */
export const Health = z.object({
  status: z.enum(['ok', 'degraded']),
  db: z.boolean(),
});
export type Health = z.infer<typeof Health>;
