// Maps of the absolute error, computed from the embedded images. The colors are those of matplotlib's "inferno":
// black to white through red and yellow, perceptually uniform, and readable with color blindness.
const RAMP = [
  [0, 0, 4],
  [31, 12, 72],
  [85, 15, 109],
  [136, 34, 106],
  [186, 54, 85],
  [227, 89, 51],
  [249, 140, 10],
  [249, 201, 50],
  [252, 255, 164],
];
const SHADES = 766; // sums of three 8-bit differences
const INVALID = [86, 118, 148]; // of pixels that do not count

function rampColor(fraction) {
  const position = clamp(fraction, 0, 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(position), RAMP.length - 2);
  return RAMP[low].map((value, i) => value + (RAMP[low + 1][i] - value) * (position - low));
}

const shades = Array.from({ length: SHADES }, (_, i) => rampColor(i / (SHADES - 1)));
const rampTable = Uint8ClampedArray.from(shades.flat());
const rampStops = RAMP.map((color) => `rgb(${color.join(" ")})`).join(", ");
for (const ramp of document.querySelectorAll(".ramp")) {
  ramp.style.background = `linear-gradient(to right, ${rampStops})`;
}

function pixelsOf(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height).data;
}

// Draws the error of every pixel, a number of shades, or -1 where pixels do not count.
function drawShades(canvas, shadeAt) {
  const context = canvas.getContext("2d");
  const bitmap = context.createImageData(canvas.width, canvas.height);
  const pixels = bitmap.data;
  for (let i = 0; i < pixels.length; i += 4) {
    const shade = shadeAt(i);
    const offset = 3 * Math.min(SHADES - 1, Math.round(shade));
    for (let k = 0; k < 3; k++) pixels[i + k] = shade < 0 ? INVALID[k] : rampTable[offset + k];
    pixels[i + 3] = 255;
  }
  context.putImageData(bitmap, 0, 0);
}

// Draws |image - target|, averaged over the channels; errors of `ceiling` levels and more have the brightest color.
function drawError(canvas, image, target, ceiling) {
  const gain = (SHADES - 1) / (3 * ceiling);
  drawShades(canvas, (i) => {
    let sum = 0;
    for (let k = i; k < i + 3; k++) sum += Math.abs(image[k] - target[k]);
    return sum * gain;
  });
}

// Draws errors that the page holds as an image: 254 is the brightest, 255 stands for pixels that do not count.
function drawMeasuredError(canvas, image) {
  const gain = (SHADES - 1) / 254;
  drawShades(canvas, (i) => (image[i] === 255 ? -1 : image[i] * gain));
}
