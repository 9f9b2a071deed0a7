import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const run = 'docker run --detach --restart unless-stopped --name entrepot-cache --publish 127.0.0.1:5001:5001';

/**
 * What `make kind-up`, `k3d-up` and the like ask of docker, kind, k3d and kubectl, by ones in their place that note it and remember
 * what was made; the set-up of the nodes comes from Entrepot itself.
 * @throws AssertionError
 */
export function testClusters(root: string, scratch: string): void {
  for (const tool of ['kind', 'k3d'] as const) {
    const { make, folder } = stage(root, join(scratch, `clusters-${tool}`));
    const first = make(`${tool}-up`);
    assert.equal(first.status, 0, first.stderr);
    assert.equal(first.asked.filter((line) => line.startsWith('docker build ')).length, 1);
    assert.equal(first.asked.filter((line) => line.startsWith(run)).length, 1);
    assert.deepEqual(first.asked.filter(isOfCluster), tool === 'kind' ? kindUp(folder) : k3dUp(folder));
    assert.match(first.stdout, /started the cache/);
    const setUp = readFileSync(
      join(folder, tool === 'kind' ? 'kind-certs.d/ghcr.io/hosts.toml' : 'k3d-registries.yaml'),
    );
    assert.match(setUp.toString(), /http:\/\/entrepot-cache:5000/);

    const second = make(`${tool}-up`);
    assert.equal(second.status, 0, second.stderr);
    assert.match(second.stdout, /as before\n[\s\S]*the cluster entrepot is there, and stays as it is/);
    assert.ok(!second.asked.some((line) => / (build|run|create|connect) /.test(line)), second.asked.join('\n'));

    const down = make(`${tool}-down`);
    assert.equal(down.status, 0, down.stderr);
    assert.match(down.stdout, /the cache stays/);
    assert.ok(!down.asked.some((line) => line.startsWith('docker')));
    const purged = make(`${tool}-down`, 'PURGE=yes');
    assert.deepEqual(
      purged.asked.filter((line) => line.startsWith('docker')),
      ['docker rm --force entrepot-cache', 'docker volume rm --force entrepot-cache'],
    );
    for (const wrong of ['NAME=../x', 'PUSH_PORT=a', 'PURGE=maybe']) {
      const refused = make(`${tool}-up`, wrong);
      assert.deepEqual([refused.status, refused.asked], [2, []]);
      assert.match(refused.stderr, /cannot use/);
    }
  }
}

function isOfCluster(line: string): boolean {
  return /^(kind|k3d|kubectl|docker network) /.test(line);
}

function kindUp(folder: string): string[] {
  return [
    'kind get clusters',
    'kind create cluster --name entrepot --config kind.yaml',
    'docker network connect kind entrepot-cache',
    `kubectl --context kind-entrepot apply --filename ${folder}/local-registry-hosting.yaml`,
  ];
}

function k3dUp(folder: string): string[] {
  return [
    'docker network inspect registry-cache',
    'docker network create registry-cache',
    'docker network connect registry-cache entrepot-cache',
    'k3d cluster get entrepot',
    `k3d cluster create entrepot --network registry-cache --registry-config ${folder}/k3d-registries.yaml`,
  ];
}

/** A machine with programs that note what they are asked; `make` tells what that was. */
function stage(root: string, scratch: string) {
  const programs = join(scratch, 'bin');
  const notes = join(scratch, 'notes');
  mkdirSync(programs, { recursive: true });
  for (const program of ['docker', 'kind', 'k3d', 'kubectl']) {
    writeFileSync(join(programs, program), fake(program, { root, scratch, notes }));
    chmodSync(join(programs, program), 0o755);
  }
  const env = {
    ...process.env,
    PATH: `${programs}${delimiter}${process.env['PATH']}`,
    XDG_STATE_HOME: join(scratch, 'state'),
  };
  const make = (...args: readonly string[]) => {
    writeFileSync(notes, '');
    const { status, stdout, stderr } = spawnSync('make', ['--silent', '--no-print-directory', ...args], {
      cwd: root,
      env,
      encoding: 'utf8',
    });
    assert.ok(existsSync(notes));
    return { status, stdout, stderr, asked: readFileSync(notes, 'utf8').trim().split('\n').filter(Boolean) };
  };
  const tool = scratch.slice(scratch.lastIndexOf('-') + 1);
  return { make, folder: join(scratch, 'state/entrepot', `${tool}-entrepot`) };
}

/** Remembers by files: what was made is there the next time. */
function fake(
  program: string,
  { root, scratch, notes }: { readonly root: string; readonly scratch: string; readonly notes: string },
): string {
  return `#!/bin/sh
echo "${program} $*" >>'${notes}'
cd '${scratch}' || exit 1
case "${program} $*" in
  'docker image inspect '*) [ -e image ] ;;
  'docker build '*) touch image ;;
  'docker ps '*) cat container 2>/dev/null || true ;;
  'docker run '*) echo 0123456789ab >container ;;
  'docker exec entrepot-cache entrepot status '*) [ -e container ] ;;
  'docker exec entrepot-cache entrepot setup '*) shift 3 && exec '${process.execPath}' '${root}/src/cli/main.ts' "$@" ;;
  'docker inspect '*) cat networks 2>/dev/null || true ;;
  'docker network inspect '*) [ -e network ] ;;
  'docker network create '*) touch network ;;
  'docker network connect '*) echo "$3" >>networks ;;
  'kind get clusters') cat cluster 2>/dev/null || true ;;
  'kind create cluster '*) echo entrepot >cluster ;;
  'k3d cluster get '*) [ -e cluster ] ;;
  'k3d cluster create '*) touch cluster ;;
esac
`;
}
