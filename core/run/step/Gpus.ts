/** Gpus: the graphics cards that the steps of a run share. */
import { readdirSync } from "node:fs"

const nvidiaFiles = (): ReadonlyArray<string> => {
  try {
    return readdirSync("/dev").filter((name) => /^nvidia\d+$/u.test(name))
  } catch {
    return []
  }
}

/** The GPUs that a run may use, as CUDA names them: those that the environment says, else NVIDIA's of the machine. */
export const names = (): ReadonlyArray<string> => {
  const visible = process.env["CUDA_VISIBLE_DEVICES"]
  if (visible !== undefined) {
    const named = visible.split(",").map((each) => each.trim())
    // as CUDA reads it: what follows a name of none is not seen
    const none = named.findIndex((each) => each === "" || each === "-1")
    return none < 0 ? named : named.slice(0, none)
  }
  // in a container CUDA counts from 0, whichever of the machine's it has
  return nvidiaFiles().map((_, index) => String(index))
}
