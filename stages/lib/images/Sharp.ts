/**
 * sharp, loaded with the first image, so that reading a pipeline's declarations does not load libvips.
 *
 * One thread per image: many images at once use the cores better than many threads on one. No cache: no file is read
 * twice.
 */
export const loadSharp = async () => {
  const { default: sharp } = await import("sharp")
  sharp.concurrency(1)
  sharp.cache(false)
  return sharp
}
