import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { originFile, pushLayers } from '../lab/images.ts';
import { freePort } from '../lab/process.ts';
import { type Peer, startEntrepot, startNginx } from '../lab/servers.ts';
import { median } from '../load/measure.ts';
import { fetchByCurl, pullBySkopeo, type Way } from '../load/proxy-clients.ts';
import { type Row, times } from '../report.ts';
import { type Bench, layerUrl } from './bench.ts';

const mebibyte = 1024 * 1024;
const registry = { url: 'https://origin.test' }; // the name that Entrepot has for the origin

/** Entrepot with a proxy door, and the way to it. */
interface Proxied {
  readonly entrepot: Peer;
  readonly way: Way;
}

/** What comes through the proxy door, whose TLS is Entrepot's own: everything is there, and in the system's cache. */
export async function proxyCases(bench: Bench): Promise<Row[]> {
  const proxyPort = await freePort();
  const entrepot = await startEntrepot(bench.folder, bench.origin.url, { proxyPort });
  try {
    const authority = join(bench.folder, 'proxy-ca.crt');
    await writeFile(authority, await (await fetch(`${entrepot.url}/ca.crt`)).text());
    const proxied = { entrepot, way: { authority, proxyUrl: `http://127.0.0.1:${proxyPort}` } };
    return [await largeBlob(bench, proxied), await tenLayers(bench, proxied)];
  } finally {
    await entrepot.server.stop();
  }
}

/** curl is the client of both, as fast with the one as with the other. */
async function largeBlob(bench: Bench, { way }: Proxied): Promise<Row> {
  const image = bench.large[0]!;
  const path = `/v2/${image.repository}/blobs/${image.layer}`;
  const files = new Map([[path, originFile(bench.folder, image.layer)]]);
  const certificate = await makeCertificate(bench.folder);
  const nginx = await startNginx(bench.folder, files, certificate);
  const found = { entrepotMs: [] as number[], nginxMs: [] as number[] };
  try {
    const throughDoor = () => fetchByCurl(layerUrl(registry, image), way);
    const byNginx = () => fetchByCurl(layerUrl(nginx, image), { authority: certificate.cert });
    await throughDoor();
    await byNginx();
    for (let round = 0; round < bench.rounds; round++) {
      found.entrepotMs.push(await throughDoor());
      found.nginxMs.push(await byNginx());
    }
  } finally {
    await nginx.server.stop();
  }
  const figures = { entrepotMs: median(found.entrepotMs), nginxMs: median(found.nginxMs) };
  const ratio = figures.nginxMs / figures.entrepotMs;
  return {
    name: 'warm large blob through the proxy door',
    bar: '≥ 0.9 × nginx with TLS',
    measured: `${times(ratio)} (${Math.round(image.layerBytes / mebibyte / (figures.entrepotMs / 1000))} MiB/s)`,
    passed: ratio >= 0.9,
    figures,
  };
}

async function tenLayers(bench: Bench, { entrepot, way }: Proxied): Promise<Row> {
  const repository = 'bench/ten-layers';
  await pushLayers(bench.origin.url, repository, Array<number>(10).fill((bench.quick ? 2 : 20) * mebibyte));
  const pulls = {
    proxyMs: () => pullBySkopeo(`origin.test/${repository}:latest`, bench.folder, way),
    registryMs: () => pullBySkopeo(`${new URL(entrepot.url).host}/${repository}:latest`, bench.folder, {}),
  };
  const found = { proxyMs: [] as number[], registryMs: [] as number[] };
  for (const pull of Object.values(pulls)) await pull();
  for (let round = 0; round < bench.rounds; round++) {
    for (const name of ['proxyMs', 'registryMs'] as const) found[name].push(await pulls[name]());
  }
  const figures = { proxyMs: median(found.proxyMs), registryMs: median(found.registryMs) };
  const ratio = figures.proxyMs / figures.registryMs;
  return {
    name: 'warm pull of ten layers through the proxy door',
    bar: '≤ 1.3 × the registry door’s time',
    measured: times(ratio),
    passed: ratio <= 1.3,
    figures,
  };
}

/** A certificate for loopback that is its own authority, of the kind that Entrepot makes, too. */
async function makeCertificate(folder: string): Promise<{ readonly cert: string; readonly key: string }> {
  const [cert, key] = [join(folder, 'nginx.crt'), join(folder, 'nginx.key')];
  const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = ['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  await promisify(execFile)('openssl', ['req', '-x509', ...elliptic, ...subject, '-keyout', key, '-out', cert]);
  return { cert, key };
}
