/**
 * Finds oneDNN's headers and library, without starting a process: a handful of `stat` calls, cheap enough for every run.
 *
 * Gotchas: `onednn` in the engine's own folder comes first (for packages that were unpacked there without root:
 * `apt-get download libdnnl-dev libdnnl2`, `dpkg -x`), then the usual system folders. The headers' version is taken from `dnnl_version.h`.
 */
import * as fs from "node:fs"
import * as path from "node:path"

export interface OneDnn {
  readonly version: string
  readonly include: string
  /** Full path of the library that is linked. */
  readonly library: string
  /** Folders that hold the library and what it needs itself; the addon looks there when it is loaded. */
  readonly folders: ReadonlyArray<string>
  /** Size and time of the library's file: a cheap sign that it was replaced. */
  readonly stamp: string
}

const triplets: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }

/** Prefixes to look under, best first. */
export const prefixes = (cacheDir: string): ReadonlyArray<string> => [
  path.join(cacheDir, "onednn", "usr"),
  path.join(cacheDir, "onednn"),
  "/usr/local",
  "/usr",
  "/opt/intel/oneapi/dnnl/latest",
  "/opt/homebrew"
]

const versionHeaders = ["include/oneapi/dnnl/dnnl_version.h", "include/dnnl_version.h"]

const readVersion = (prefix: string): string | undefined => {
  for (const header of versionHeaders) {
    const file = path.join(prefix, header)
    if (!fs.existsSync(file)) continue
    const text = fs.readFileSync(file, "utf8")
    const part = (name: string): string | undefined => new RegExp(`DNNL_VERSION_${name}\\s+(\\d+)`, "u").exec(text)?.[1]
    const parts = [part("MAJOR"), part("MINOR"), part("PATCH")]
    if (parts.every((p) => p !== undefined)) return parts.join(".")
  }
  return undefined
}

/** The first oneDNN under the prefixes that has headers and a library, or undefined. */
export const find = (cacheDir: string): OneDnn | undefined => {
  const names = process.platform === "darwin" ? ["libdnnl.dylib"] : ["libdnnl.so"]
  for (const prefix of prefixes(cacheDir)) {
    const version = readVersion(prefix)
    if (version === undefined) continue
    const folders = [
      path.join(prefix, "lib", triplets[process.arch] ?? ""),
      path.join(prefix, "lib64"),
      path.join(prefix, "lib")
    ]
    for (const folder of folders) {
      for (const name of names) {
        const library = path.join(folder, name)
        const stat = fs.statSync(library, { throwIfNoEntry: false })
        if (stat === undefined) continue
        const isOwn = prefix.startsWith(cacheDir)
        return {
          version,
          include: path.join(prefix, "include"),
          library,
          folders: isOwn ? folders.filter((f) => fs.existsSync(f)) : [folder],
          stamp: `${stat.size}-${stat.mtimeMs}`
        }
      }
    }
  }
  return undefined
}
