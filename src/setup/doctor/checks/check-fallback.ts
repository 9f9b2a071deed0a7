import type { Finding } from '../clients/client-setup.ts';
import type { DoctorTools } from '../doctor-tools.ts';
import type { Ways } from './check-image.ts';

/** What a client does while the cache is down, and whether it can. */
export async function checkFallback({ setup, mirrors, image }: Ways, tools: DoctorTools): Promise<Finding> {
  const about = setup.client;
  const { registry } = image;
  if (mirrors.length === 0) {
    const text = 'Without the cache nothing is pulled: a proxy has nothing to fall back to';
    return { about, level: 'warn', text, remedy: 'use a mirror where that matters' };
  }
  const origin = registry === 'docker.io' ? 'https://registry-1.docker.io' : `https://${registry}`;
  const { status } = await tools.ask({ url: `${origin}/v2/`, proxy: setup.proxy });
  // A registry that asks for a login answers.
  if (status !== undefined && status < 500) {
    return { about, level: 'ok', text: `Without the cache it goes to ${origin}, which answers` };
  }
  const why = status === undefined ? 'this machine does not reach' : `answers with ${status}`;
  const text = `Without the cache it goes to ${origin}, which ${why}: nothing of ${registry} is pulled then but what is here`;
  return { about, level: 'warn', text, remedy: 'nothing, if it is meant to be so' };
}
