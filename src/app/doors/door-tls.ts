import type { TlsConfig } from '../../config/config.ts';
import { DoorCertificate } from '../../server/tls/door-certificate.ts';
import type { DoorTls } from '../../server/tls/tls-server.ts';
import type { Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';

/** Reads what a door needs for TLS, and watches it; undefined for a door of plain HTTP. */
export async function openDoorTls(
  door: 'registry' | 'hosted',
  tls: TlsConfig | undefined,
  { clock, log, metrics }: Basics,
  lifetime: Lifetime,
): Promise<DoorTls | undefined> {
  if (tls === undefined) return undefined;
  const { hstsMs, ...paths } = tls;
  const expires = (untilMs: number) => metrics.certificateExpires.set({ door }, untilMs / 1000);
  const certificate = await DoorCertificate.open({ door, paths, clock, log, expires });
  lifetime.push(() => certificate.close());
  return { door, certificate, hstsMs, log };
}
