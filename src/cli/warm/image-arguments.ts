import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readYamlDocuments } from '../../config/yaml-documents.ts';
import { systemReason } from '../../util/system/system-reason.ts';
import { readImageList } from '../../warm/names/image-list.ts';
import { imagesOfResources } from '../../warm/names/kubernetes-images.ts';
import { CommandFailure, UsageFailure } from '../command-failure.ts';

/** Where names of images come from. */
export interface ImageArguments {
  readonly images: readonly string[];
  /** Files with one name on a line; `-` is standard input. */
  readonly files: readonly string[];
  /** Files and folders of Kubernetes resources; `-` is standard input. */
  readonly manifests: readonly string[];
}

const standardInput = '-';
const maxInputBytes = 512 * 1024 * 1024; // what YAML could be read from at all; a cluster's pods are some ten MB
const resourceNames = /\.(?:ya?ml|json)$/i;

/**
 * The names of all images that are meant, as they stand there, each once.
 * @throws CommandFailure that names what cannot be read
 */
export function gatherImages({ images, files, manifests }: ImageArguments): string[] {
  if ([...files, ...manifests].filter((path) => path === standardInput).length > 1) {
    throw new CommandFailure('Cannot read standard input twice: give - once');
  }
  const listed = files.flatMap((path) => readImageList(readInput(path)));
  const named = manifests.flatMap((path) => filesOf(path)).flatMap((path) => readResources(path));
  return [...new Set([...images, ...listed, ...named])];
}

/** What to say when no image is named: with files that name none, it is not the command line that is wrong. */
export function nothingNamed(files: readonly string[] | undefined, usage: string): CommandFailure {
  if (files === undefined || files.length === 0) return new UsageFailure(usage);
  return new CommandFailure(`Cannot find the name of an image in ${files.map((path) => `"${path}"`).join(', ')}`);
}

function readResources(path: string): string[] {
  try {
    return imagesOfResources(readYamlDocuments(readInput(path)));
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    const why = (error as Error).message;
    throw new CommandFailure(`Cannot read the resources in "${path}": ${why}; expected YAML or JSON of Kubernetes`);
  }
}

/** A file itself; of a folder what is in it, at any depth, and is called like YAML or JSON. Links are not followed down. */
function filesOf(path: string): string[] {
  if (path === standardInput) return [path];
  return reading(path, () => {
    if (!statSync(path).isDirectory()) return [path];
    const entries = readdirSync(path, { withFileTypes: true, recursive: true });
    const found = entries.filter((entry) => !entry.isDirectory() && resourceNames.test(entry.name));
    if (found.length > 0) return found.map((entry) => join(entry.parentPath, entry.name)).sort();
    throw new CommandFailure(`Cannot find resources in "${path}": it has no file that ends in .yaml, .yml or .json`);
  });
}

function readInput(path: string): string {
  return reading(path, () => {
    const bytes = readFileSync(path === standardInput ? 0 : path);
    if (bytes.length > maxInputBytes) throw new CommandFailure(`Cannot read "${path}": it is larger than 512 MiB`);
    return bytes.toString('utf8');
  });
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`Cannot read "${path}": ${systemReason(error) ?? (error as Error).message}`);
  }
}
