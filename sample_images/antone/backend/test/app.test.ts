import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApp } from '../dist/app.js';

const note = { id: 1, title: 'first', body: '', createdAt: new Date(0) };
const store = {
  isReachable: async () => true,
  list: async () => [note],
  find: async (id: number) => (id === 1 ? note : undefined),
  add: async (added: { title: string; body: string }) => ({ ...note, ...added, id: 2 }),
};
const post = (app: ReturnType<typeof createApp>, body: string) => app.request('/notes', { method: 'POST', body });

test('says whether the database answers', async () => {
  assert.equal((await createApp({ notes: store }).request('/health')).status, 200);
  const down = await createApp({ notes: { ...store, isReachable: async () => false } }).request('/health');
  assert.equal(down.status, 503);
  assert.deepEqual(await down.json(), { status: 'degraded', db: false });
});

test('finds, lists and adds notes', async () => {
  const app = createApp({ notes: store });
  assert.equal((await app.request('/notes/1')).status, 200);
  assert.equal((await app.request('/notes/7')).status, 404);
  const added = await post(app, JSON.stringify({ title: ' second ' }));
  assert.equal(added.status, 201);
  assert.equal(((await added.json()) as { title: string }).title, 'second');
});

test('refuses what is no note', async () => {
  const app = createApp({ notes: store });
  assert.equal((await post(app, '{"title": ""}')).status, 400);
  assert.equal((await post(app, 'not JSON')).status, 400);
});
