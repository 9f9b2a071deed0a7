import { connect, createServer } from 'node:net';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';
import { makeKnownImages } from './images.ts';

// `node test-registry-process.ts PORT SEED`: the registry of the tests, as a process, with the images of a seed.

const [port, seed] = process.argv.slice(2).map(Number);
const registry = await startTestRegistry();
for (const { name, tag, index } of makeKnownImages(seed!).repositories) registry.content.push(name, index, tag);
const own = Number(new URL(registry.url).port);
createServer((client) => {
  const server = connect(own, '127.0.0.1');
  for (const socket of [client, server]) socket.on('error', () => {});
  client.pipe(server).pipe(client);
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
}).listen(port, '127.0.0.1');
