// The page of `exdnet preview`. Pictures come over one WebSocket, each answered with {"drawn": true} once it is drawn;
// what is set goes back over the same one, as {"NAME": value}. See hub.py for the other end.

const $ = (id) => document.getElementById(id);
const canvas = $("picture"), pen = canvas.getContext("2d", { alpha: false });
const camera = navigator.mediaDevices?.getUserMedia ? { connection: null, stream: null } : null;
let socket, state = {}, pair = null, shown = 0, share = 0.5, seeking = false, asked = false;
const drawnAt = [];

const say = (name, value = true) => socket?.readyState === 1 && socket.send(JSON.stringify({ [name]: value }));

// ── What comes ────────────────────────────────────────────────────────────────────────────────────────────────────

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => (typeof data === "string" ? told(JSON.parse(data)) : received(data));
  socket.onclose = () => {
    stopCamera();
    trouble("The preview has ended or cannot be reached. This page connects again by itself.");
    setTimeout(connect, 1000);
  };
}

async function received(data) {
  const length = new DataView(data).getUint32(0), rest = data.slice(4 + length);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  if (header.kind === "snapshot") return save(new Blob([rest], { type: "image/png" }), header);
  const parts = [rest.slice(0, header.before), rest.slice(header.before)];
  const images = await Promise.all(parts.map((part) => createImageBitmap(new Blob([part], { type: "image/jpeg" }))));
  say("drawn");
  if (header.number < state.number) return;  // it is of the source before
  pair?.forEach((image) => image.close());
  [pair, shown] = [images, header.number];
  fit(pair[0]);
  draw();
  show(header);
}

function told(message) {
  if (message.kind === "answer") return camera.connection?.setRemoteDescription({ type: "answer", sdp: message.sdp });
  const old = state;
  state = message;
  document.title = state.title ? `${state.title} · exdnet preview` : "exdnet preview";
  $("title").textContent = state.title;
  $("transport").hidden = state.still || !state.title;
  $("seek").hidden = $("clock").hidden = state.duration === null;
  $("seek").max = state.duration ?? 1;
  $("play").classList.toggle("paused", state.paused);
  $("play").ariaLabel = state.paused ? "Play" : "Pause";
  $("command").textContent = state.command;
  if (state.chain !== old.chain) $("chain").value = state.chain;
  document.querySelector(`[name=quality][value=${state.quality}]`).checked = true;
  readChain();
  complain();
  if (state.number !== shown && state.number !== old.number) empty();
  if (old.camera === "mine" && state.camera !== "mine") stopCamera();  // it failed, or another page's took its place
  showCamera();
}

// ── The picture ───────────────────────────────────────────────────────────────────────────────────────────────────

function fit({ width, height }) {
  if (canvas.width === width && canvas.height === height) return;
  [canvas.width, canvas.height] = [width, height];
  document.documentElement.style.setProperty("--ratio", width / height);
}

function draw() {
  const { width, height } = canvas, edge = Math.round(width * share);
  $("empty").hidden = Boolean(pair);
  if (!pair) return pen.clearRect(0, 0, width, height);
  pen.drawImage(pair[1], 0, 0);
  if (edge > 0) pen.drawImage(pair[0], 0, 0, edge, height, 0, 0, edge, height);
}

function empty() {
  pair = null;
  drawnAt.length = 0;
  $("figures").textContent = "";
  $("empty").textContent = !state.title && state.wantsCamera
    ? (camera ? "Press “Use my camera” to begin." : cameraNeeds) : "Waiting for the first picture…";
  draw();
}

function split(value) {
  share = Math.min(1, Math.max(0, value));
  const slider = $("split"), percent = Math.round(share * 100);
  slider.style.left = `${share * 100}%`;
  slider.ariaValueNow = percent;
  slider.ariaValueText = `${percent} % before, ${100 - percent} % after`;
  $("before").style.opacity = share < 0.12 ? 0 : 1;
  $("after").style.opacity = share > 0.88 ? 0 : 1;
  draw();
}

const stage = $("stage");
const follow = (event) => {
  const { left, width } = stage.getBoundingClientRect();
  split((event.clientX - left) / width);
};
stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  stage.setPointerCapture(event.pointerId);
  $("split").focus({ preventScroll: true });
  event.preventDefault();
  follow(event);
});
stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && follow(event));

document.addEventListener("keydown", (event) => {
  const own = event.target === document.body || event.target === $("split");
  const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 };
  const ends = { Home: 0, End: 1 };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && (own || event.target.type === "range")) pause();
  else if (event.target === $("split") && event.key in steps) split(share + steps[event.key]);
  else if (event.target === document.body && /^Arrow(Left|Right)$/.test(event.key)) split(share + steps[event.key]);
  else if (event.target === $("split") && event.key in ends) split(ends[event.key]);
  else return;
  event.preventDefault();
});

// ── Time and figures ──────────────────────────────────────────────────────────────────────────────────────────────

const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

function show(header) {
  const now = performance.now(), [width, height] = header.source;
  drawnAt.push(now);
  while (now - drawnAt[0] > 2000 && drawnAt.length > 2) drawnAt.shift();
  const rate = (1000 * (drawnAt.length - 1)) / (now - drawnAt[0]);
  const size = `${canvas.width} × ${canvas.height}${width > canvas.width ? ` of ${width} × ${height}` : ""}`;
  const moving = state.paused || state.still || drawnAt.length < 3 ? [] : [`${rate.toFixed(rate < 10 ? 1 : 0)} frames/s`];
  if (moving.length && header.latency) moving.push(`${Math.round(header.latency * 1000)} ms`);
  $("figures").textContent = [...moving, size].join(" · ");
  if (!seeking) $("seek").value = header.time;
  tell(seeking ? Number($("seek").value) : header.time);
}

function tell(time) {
  $("clock").textContent = `${clock(time)} / ${clock(state.duration ?? 0)}`;
  $("seek").ariaValueText = `${clock(time)} of ${clock(state.duration ?? 0)}`;
}

function pause() {
  if (!$("transport").hidden) say("pause", !state.paused);
}

$("play").onclick = pause;
$("seek").oninput = ({ target }) => {
  seeking = true;
  tell(Number(target.value));
  say("seek", Number(target.value));
};
$("seek").onchange = () => (seeking = false);

// ── The chain ─────────────────────────────────────────────────────────────────────────────────────────────────────

// Parts between separators that are neither quoted nor behind a backslash, as chain.py splits.
function parts(text, separator) {
  const found = [""];
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const one = text[at];
    if (one === "'") quoted = !quoted;
    if (one === separator && !quoted) found.push("");
    else found[found.length - 1] += one === "\\" && !quoted ? one + (text[++at] ?? "") : one;
  }
  return found;
}

// The chain's links, where its first exdnet stands, and that one's options.
function links() {
  const all = parts($("chain").value, ","), at = all.findIndex((link) => /^\s*exdnet\s*(=|$)/.test(link));
  const options = at < 0 || !all[at].includes("=") ? [] : parts(all[at].slice(all[at].indexOf("=") + 1), ":").filter((option) => option.trim());
  return { all, at, options };
}

const sliders = { strength: (value) => `${Math.round(value * 100)} %`, smoothing: (value) => `${Number(value)} s` };
const isOption = (name) => (option) => option.split("=")[0].trim() === name;
const valueOf = (option) => Number(option.split("=")[1].trim().replace(/^'(.*)'$/, "$1"));

function readChain() {
  const { at, options } = links();
  for (const [name, shown] of Object.entries(sliders)) {
    const slider = $(name), written = options.find(isOption(name));
    slider.disabled = at < 0;
    slider.value = written ? valueOf(written) : slider.defaultValue;
    $(`${name}-now`).textContent = at < 0 ? "–" : shown(slider.value);
    slider.ariaValueText = $(`${name}-now`).textContent;
  }
}

function writeOption(name, value) {
  const { all, at, options } = links(), place = options.findIndex(isOption(name));
  const written = value === $(name).defaultValue ? [] : [`${name}=${value}`];
  options.splice(place < 0 ? options.length : place, place < 0 ? 0 : 1, ...written);
  all[at] = options.length ? `exdnet=${options.join(":")}` : "exdnet";
  $("chain").value = all.join(",");
  $(`${name}-now`).textContent = sliders[name](value);
  set();
}

const set = () => say("set", { chain: $("chain").value, quality: document.querySelector("[name=quality]:checked").value });

for (const name in sliders) $(name).oninput = ({ target }) => writeOption(name, target.value);
for (const one of document.getElementsByName("quality")) one.onchange = set;
$("chain").onchange = set;

// What was refused is told where it was written, not on every page.
function complain() {
  const mine = Boolean(state.refused.why) && state.refused.chain === $("chain").value;
  $("chain").ariaInvalid = mine;
  trouble(mine ? state.refused.why : state.trouble);
}

function trouble(text) {
  if ($("trouble").textContent !== text) $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

// ── To keep ───────────────────────────────────────────────────────────────────────────────────────────────────────

function save(blob, header) {
  const link = document.createElement("a"), name = (state.title || "preview").replace(/\.\w+$/, "").replace(/\W+/g, "_");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}_${header.time.toFixed(2)}s_${header.of === "both" ? "before_after" : "after"}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  $("said").textContent = `Saved ${link.download}`;
}

$("save-after").onclick = () => say("snapshot", "after");
$("save-both").onclick = () => say("snapshot", "both");

$("copy").onclick = async () => {
  if (navigator.clipboard) await navigator.clipboard.writeText(state.command);
  else {  // a page of another machine over plain HTTP has no clipboard of its own
    getSelection().selectAllChildren($("command"));
    document.execCommand("copy");
  }
  $("copy").textContent = "Copied";
  $("said").textContent = "The command is copied";
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
};

// ── The visitor's camera ──────────────────────────────────────────────────────────────────────────────────────────

const cameraNeeds = "Browsers give a camera only to pages of this machine or over HTTPS: see --certificate.";

async function startCamera() {
  try {
    camera.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch (error) {
    return trouble(`The camera cannot be used: ${error.message || error.name}. Allow it, or close what else uses it.`);
  }
  camera.connection = new RTCPeerConnection({ iceServers: [] });
  for (const track of camera.stream.getVideoTracks()) camera.connection.addTrack(track, camera.stream);
  await camera.connection.setLocalDescription();
  while (camera.connection.iceGatheringState !== "complete")
    await new Promise((done) => (camera.connection.onicegatheringstatechange = done));
  say("offer", camera.connection.localDescription.sdp);
  showCamera();
}

function stopCamera() {
  camera?.stream?.getTracks().forEach((track) => track.stop());
  camera?.connection?.close();
  if (camera) camera.stream = camera.connection = null;
  showCamera();
}

function showCamera() {
  const runs = Boolean(camera?.stream);
  $("camera").textContent = runs ? "Stop my camera" : "Use my camera";
  $("camera").ariaPressed = runs;
  $("camera").disabled = !camera;
  $("camera").title = camera ? "" : cameraNeeds;
  if (camera && state.wantsCamera && !state.camera && !asked) {
    asked = true;
    startCamera();
  }
}

$("camera").onclick = () => {
  if (!camera.stream) return startCamera();
  say("camera", false);
  stopCamera();
};

split(0.5);
connect();
