// The image's HEALTHCHECK: Node itself asks, so the image needs neither curl nor wget.
const url = `http://127.0.0.1:${process.env.PORT ?? 3001}/health`;
const healthy = await fetch(url, { signal: AbortSignal.timeout(2500) }).then(
  (response) => response.ok,
  () => false,
);
process.exit(healthy ? 0 : 1);
