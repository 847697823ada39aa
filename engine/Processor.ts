/**
 * The processor's instruction sets, as far as the native kernels distinguish them, without loading anything.
 *
 * Gotchas: must agree with `bestKernels` in native/src/addon.cpp; `open` compares the two.
 */
import * as fs from "node:fs"

export interface Processor {
  readonly isa: "avx512" | "avx2" | "base"
  /** AVX-512 BF16 (VDPBF16PS). */
  readonly bf16: boolean
  /** Its vendor: approximate reciprocals and roots differ between vendors in their last bits. */
  readonly vendor: string
}

const needed = { avx512: ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"], avx2: ["avx2", "fma"] } as const

/** Read from /proc/cpuinfo; undefined where there is none. */
export const processor = (): Processor | undefined => {
  if (process.arch !== "x64") return { isa: "base", bf16: false, vendor: process.arch }
  let text: string
  try {
    text = fs.readFileSync("/proc/cpuinfo", "utf8")
  } catch {
    return undefined
  }
  const flags = new Set(/^flags\s*:\s*(.*)$/mu.exec(text)?.[1]?.split(" ") ?? [])
  const has = (names: ReadonlyArray<string>): boolean => names.every((name) => flags.has(name))
  const isa = has(needed.avx512) ? "avx512" : has(needed.avx2) ? "avx2" : "base"
  const vendor = /^vendor_id\s*:\s*(\S+)/mu.exec(text)?.[1] ?? "unknown"
  return { isa, bf16: isa === "avx512" && flags.has("avx512_bf16"), vendor }
}
