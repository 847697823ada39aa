/**
 * sharp, loaded with the first image: whoever only reads the pipeline's declarations never waits for libvips.
 *
 * One thread an image: many images at once use the cores better than many threads on one. No cache: no file is read twice.
 */
export const loadSharp = async () => {
  const { default: sharp } = await import("sharp")
  sharp.concurrency(1)
  sharp.cache(false)
  return sharp
}
