import { Hono } from 'hono';
import { NewNote } from '@antone/shared';
import type { Notes } from '@antone/database';

export function notes(store: Notes): Hono {
  const app = new Hono();
  app.get('/', async (c) => c.json(await store.list(100)));
  app.get('/:id{[0-9]{1,9}}', async (c) => {
    const note = await store.find(Number(c.req.param('id')));
    return note ? c.json(note) : c.json({ error: 'no such note' }, 404);
  });
  app.post('/', async (c) => {
    const parsed = NewNote.safeParse(await c.req.json().catch(() => undefined));
    if (!parsed.success) return c.json({ error: 'not a note', issues: parsed.error.issues }, 400);
    return c.json(await store.add(parsed.data), 201);
  });
  return app;
}
