import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

// In a network that has nothing but the address of the metadata server: the start-up script of worker VMs, as both clouds
// answer it, and as none does.

const script = join(import.meta.dirname, '../../deploy/worker-vm/startup.sh');
const program = join(import.meta.dirname, '../../src/cli/main.ts');
const scratch = mkdtempSync(join(tmpdir(), 'entrepot-worker-'));

/** Google Cloud: the value as it is, 404 for what nobody gave. */
function google(value?: string): RequestListener {
  return (request, response) => {
    const isAsked = request.url === '/computeMetadata/v1/instance/attributes/docker_registry_cache_ip';
    if (request.headers['metadata-flavor'] !== 'Google') response.statusCode = 403;
    else if (!isAsked || value === undefined) response.statusCode = 404;
    response.end(response.statusCode === 200 ? value : '<html>Not Found</html>');
  };
}

/** Azure: the user data in base64, which are empty when nobody gave any. */
function azure(userData: string): RequestListener {
  return (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://169.254.169.254');
    const isAsked = pathname === '/metadata/instance/compute/userData' && searchParams.get('format') === 'text';
    if (request.headers.metadata !== 'true') response.statusCode = 400;
    else if (!isAsked) response.statusCode = 404;
    response.end(response.statusCode === 200 ? Buffer.from(userData).toString('base64') : '{"error":"Bad request"}');
  };
}

/** A machine that boots: what the script says, and the files that it leaves. */
async function boot(
  listener: RequestListener | undefined,
  files: Readonly<Record<string, string>> = {},
  root?: string,
) {
  const folder = root ?? mkdtempSync(join(scratch, 'root-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const server = listener && createServer(listener).listen(80, '169.254.169.254');
  if (server) await once(server, 'listening');
  const startMs = performance.now();
  const child = spawn('sh', [script], {
    env: { PATH: process.env['PATH'], ENTREPOT_ROOT: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  server?.closeAllConnections();
  server?.close();
  assert.equal(code, 0, said);
  assert.ok(performance.now() - startMs < 60_000, 'it takes less than a minute');
  const read = (path: string) =>
    existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : undefined;
  const all = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return { folder, said, docker: read('etc/docker/daemon.json'), read, names: all.map(({ name }) => name).sort() };
}

/** What `entrepot setup docker` would have there. */
async function setUpByEntrepot(address: string): Promise<unknown> {
  const child = spawn(process.execPath, [program, 'setup', 'docker', '--address', address, '--file', 'daemon.json']);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(child, 'close');
  return JSON.parse(text);
}

async function testBothClouds(): Promise<void> {
  const expected = await setUpByEntrepot('http://10.0.0.5:5000');
  const userData = '{\n  "role": "worker",\n  "docker_registry_cache_ip" : "10.0.0.5"\n}';
  for (const cloud of [google('10.0.0.5'), azure(userData)]) {
    const { docker, read } = await boot(cloud, { 'etc/containerd/config.toml': 'version = 2\n' });
    assert.deepEqual(JSON.parse(docker ?? ''), expected);
    assert.match(read('etc/containerd/certs.d/_default/hosts.toml') ?? '', /^\[host\."http:\/\/10\.0\.0\.5:5000"\]$/m);
    assert.equal(read('etc/containerd/config.toml'), 'version = 2\n');
  }
  for (const [value, url] of [
    ['10.0.0.5:5055', 'http://10.0.0.5:5055'],
    ['cache.internal', 'http://cache.internal:5000'],
    ['fd00::5', 'http://[fd00::5]:5000'],
    ['[fd00::5]:5055', 'http://[fd00::5]:5055'],
    ['https://cache.example.com', 'https://cache.example.com'],
  ] as const) {
    const { docker } = await boot(google(value));
    assert.deepEqual(JSON.parse(docker ?? ''), await setUpByEntrepot(url), value);
  }
}

async function testNothingToDo(): Promise<void> {
  const garbage = [
    '',
    'a b',
    '10.0.0.5:99999',
    '$(touch /tmp/x)',
    '"',
    'a..b',
    ':::',
    '[fd00::5',
    'ftp://a',
    '10.0.0.5/x',
    'a\nb',
  ];
  for (const cloud of [google(), azure(''), azure('{"role": "worker"}'), azure('<xml/>'), ...garbage.map(google)]) {
    const { names } = await boot(cloud, { 'etc/containerd/config.toml': '' });
    assert.deepEqual(names, ['config.toml']);
  }
}

async function testSilence(): Promise<void> {
  const silent = () => {};
  for (const listener of [undefined, silent, (_: unknown, response: { destroy(): void }) => response.destroy()]) {
    assert.deepEqual((await boot(listener as RequestListener | undefined)).names, []);
  }
}

async function testWhatWasThere(): Promise<void> {
  const mine = '{"log-driver": "local", "registry-mirrors": ["http://other:5000"]}';
  const first = await boot(google('10.0.0.5'), { 'etc/docker/daemon.json': mine });
  const merged = JSON.parse(first.docker ?? '');
  assert.deepEqual(merged['registry-mirrors'], ['http://10.0.0.5:5000', 'http://other:5000']);
  assert.equal(merged['log-driver'], 'local');
  assert.equal(first.read('etc/docker/daemon.json.before-entrepot'), mine);
  // The second boot changes nothing, and one with another address takes the first one away.
  const second = await boot(google('10.0.0.5'), {}, first.folder);
  assert.deepEqual([second.said, second.docker], ['', first.docker]);
  const moved = await boot(google('10.0.0.6'), {}, first.folder);
  assert.deepEqual(JSON.parse(moved.docker ?? ''), {
    'log-driver': 'local',
    'registry-mirrors': ['http://10.0.0.6:5000', 'http://other:5000'],
    'insecure-registries': ['10.0.0.6:5000'],
  });
  // A daemon.json may hold the password of a proxy.
  const closed = mkdtempSync(join(scratch, 'root-'));
  const daemon = join(closed, 'etc/docker/daemon.json');
  mkdirSync(dirname(daemon), { recursive: true });
  writeFileSync(daemon, mine, { mode: 0o600 });
  assert.match((await boot(google('10.0.0.5'), {}, closed)).docker ?? '', /10\.0\.0\.5/);
  assert.equal(statSync(daemon).mode & 0o777, 0o600);

  const fresh = await boot(google('10.0.0.5'));
  assert.equal((await boot(google('10.0.0.5'), {}, fresh.folder)).said, '');

  for (const [path, text] of [
    ['etc/docker/daemon.json', '{ "broken'],
    ['etc/default/docker', 'DOCKER_OPTS="--registry-mirror=http://x"'],
  ] as const) {
    const { docker, said } = await boot(google('10.0.0.5'), { [path]: text });
    assert.equal(docker, path.endsWith('json') ? text : undefined);
    assert.match(said, /left as it is/);
  }
}

try {
  await testBothClouds();
  await testNothingToDo();
  await testWhatWasThere();
  await testSilence();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
