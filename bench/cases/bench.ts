import type { BenchImage } from '../lab/images.ts';
import type { Link } from '../lab/link.ts';
import type { Peer } from '../lab/servers.ts';

/** What every case measures with. */
export interface Bench {
  /** Where all data and logs are. */
  readonly folder: string;
  readonly origin: Peer;
  /** The origin's log, in which every request to it is a line. */
  readonly originLog: string;
  /** Large images: 1 GiB each, unless a quick run was asked for. */
  readonly large: readonly BenchImage[];
  /** Images to be fetched once each. */
  readonly small: readonly BenchImage[];
  /** The link of 1 Gbit/s; undefined where none can be made. */
  readonly link: Link | undefined;
  /** Whether it is only to be shown that everything works. */
  readonly quick: boolean;
  /** How often every figure is taken; the median counts. */
  readonly rounds: number;
  /** How long small requests are made, each time. */
  readonly seconds: number;
}

/** The URL of an image's layer at a server. */
export function layerUrl({ url }: Pick<Peer, 'url'>, { repository, layer }: BenchImage): string {
  return `${url}/v2/${repository}/blobs/${layer}`;
}
