/** Mean and standard deviation per channel (R, G, B) of ImageNet's train images scaled to 0..1, as torchvision documents them. */
export const normalization = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225]
} as const
