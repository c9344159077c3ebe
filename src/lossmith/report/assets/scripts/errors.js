// Maps of the absolute error, computed here from the embedded images: black to white through red and yellow.
// The colors are those of matplotlib's "inferno", which are evenly spaced to the eye, also without red or green.
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

function rampColor(share) {
  const place = clamp(share, 0, 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(place), RAMP.length - 2);
  return RAMP[low].map((value, i) => value + (RAMP[low + 1][i] - value) * (place - low));
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

// Draws |image - target|, averaged over the colors; `ceiling` levels and more get the brightest color.
function drawError(canvas, image, target, ceiling) {
  const context = canvas.getContext("2d");
  const shown = context.createImageData(canvas.width, canvas.height);
  const out = shown.data;
  const gain = (SHADES - 1) / (3 * ceiling);
  for (let i = 0; i < out.length; i += 4) {
    let sum = 0;
    for (let k = i; k < i + 3; k++) sum += Math.abs(image[k] - target[k]);
    const entry = 3 * Math.min(SHADES - 1, Math.round(sum * gain));
    out[i] = rampTable[entry];
    out[i + 1] = rampTable[entry + 1];
    out[i + 2] = rampTable[entry + 2];
    out[i + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
}
