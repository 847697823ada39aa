/**
 * Config: which shared cache a command is about: flags, over `op-pipe.json` beside the pipeline, over the user's
 * `~/.config/op-pipe/config.json`. Neither file holds a secret.
 *
 * Every run looks, so a file that is not there costs one failed read, and all else is loaded where there is something.
 */
import * as path from "node:path"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RemoteSettings } from "../../cache/remote/Settings.ts"
import * as ConfigFile from "../config/ConfigFile.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"

const Remote = Schema.Struct({
  url: Schema.optionalKey(Schema.String),
  write: Schema.optionalKey(Schema.Boolean),
  trust: Schema.optionalKey(Schema.Array(Schema.String)),
  ca: Schema.optionalKey(Schema.String),
  cert: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  region: Schema.optionalKey(Schema.String),
  endpoint: Schema.optionalKey(Schema.String)
})
type Remote = typeof Remote.Type

/** Paths in a file are relative to it. */
const inFolderOf = (file: string, { ca, cert, key, ...others }: Remote): Remote => {
  const at = (given: string): string => path.resolve(path.dirname(file), given)
  return {
    ...others,
    ...(ca === undefined ? {} : { ca: at(ca) }),
    ...(cert === undefined ? {} : { cert: at(cert) }),
    ...(key === undefined ? {} : { key: at(key) })
  }
}

const expected = `{"remote": {"url": "https://...", "write": false, "trust": ["ed25519:..."]}}`

/** What a file says of the shared cache; nothing if it is not there. */
const read = (file: string) =>
  Effect.map(ConfigFile.section(file, "remote", Remote, expected), (remote) =>
    remote === undefined ? {} : inFolderOf(file, remote)
  )

export interface RemoteFlags {
  readonly remote: string | undefined
  readonly remoteWrite: boolean
}

export const flags = {
  remote: Flag.String("remote").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription("The shared cache: a URL, or off; default: as op-pipe.json says"),
    Flags.optional
  ),
  remoteWrite: Flags.toggle("remote-write", "Upload results to the shared cache too")
}

/** The shared cache of the project in `root`; undefined if there is none, or it is off. */
export const settings = Effect.fnUntraced(function* (root: string, asked: RemoteFlags) {
  if (asked.remote === "off") return undefined
  const user = yield* read(ConfigFile.ofUser())
  const project = yield* read(ConfigFile.ofProject(root))
  const { url: configured, write = false, trust = [], ...others } = { ...user, ...project }
  const url = asked.remote ?? configured
  if (url === undefined || url === "off") {
    if (!asked.remoteWrite) return undefined
    const message = `--remote-write: expected a shared cache to write to, but found none. Name one: --remote URL, or "remote" in ${ConfigFile.ofProject(root)}`
    return yield* new UsageError({ message })
  }
  // that another cache may be written to says nothing of this one
  const isConfigured = asked.remote === undefined || asked.remote === configured
  const found: RemoteSettings = { url, write: asked.remoteWrite || (write && isConfigured), trust, ...others }
  return found
})
