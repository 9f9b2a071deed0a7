import { peakResidentBytes } from '../lab/process.ts';
import { startEntrepot } from '../lab/servers.ts';
import { fetchBlob } from '../load/measure.ts';
import type { Row } from '../report.ts';
import { type Bench, layerUrl } from './bench.ts';

const mebibyte = 1024 * 1024;
const limitBytes = 250 * mebibyte;
/** What counts as not growing: the collector's timing alone moves the peak by this much. */
const slackBytes = 64 * mebibyte;

/** The most memory that is ever resident, with 32 clients on large blobs, cold and warm, and with a quarter of them. */
export async function memoryCases(bench: Bench): Promise<Row[]> {
  const eight = await peakWith(bench, 8);
  const all = await peakWith(bench, 32);
  const mib = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`;
  return [
    {
      name: `memory at 32 clients on ${bench.large.length} large blobs`,
      bar: 'peak ≤ 250 MiB, not growing with clients',
      measured: `${mib(all)} (8 clients: ${mib(eight)})`,
      passed: all <= limitBytes && all - eight <= slackBytes,
      figures: { peakBytes: all, peakBytesWithEightClients: eight },
    },
  ];
}

async function peakWith(bench: Bench, clients: number): Promise<number> {
  const peer = await startEntrepot(bench.folder, bench.origin.url);
  try {
    const each = clients / bench.large.length;
    const fetchAll = () => Promise.all(bench.large.map((image) => fetchBlob(layerUrl(peer, image), each)));
    await fetchAll(); // cold: the downloads, and who follows them
    await fetchAll(); // warm
    return peakResidentBytes(peer.server.pid);
  } finally {
    await peer.server.stop();
  }
}
