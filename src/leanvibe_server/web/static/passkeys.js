// Security keys and passkeys: from the options of a form to the browser, and its answer back.

const decode = (text) => Uint8Array.from(
  atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function read(options) {
  const known = (list) => (list || []).map((one) => ({ ...one, id: decode(one.id) }));
  const read = { ...options, challenge: decode(options.challenge) };
  if (options.user) read.user = { ...options.user, id: decode(options.user.id) };
  if (options.excludeCredentials) read.excludeCredentials = known(options.excludeCredentials);
  if (options.allowCredentials) read.allowCredentials = known(options.allowCredentials);
  return read;
}

function write(credential) {
  const { response } = credential;
  const told = { clientDataJSON: encode(response.clientDataJSON) };
  if (response.attestationObject) {
    told.attestationObject = encode(response.attestationObject);
    told.transports = response.getTransports ? response.getTransports() : [];
  } else {
    told.authenticatorData = encode(response.authenticatorData);
    told.signature = encode(response.signature);
    if (response.userHandle) told.userHandle = encode(response.userHandle);
  }
  return JSON.stringify({
    id: credential.id, rawId: encode(credential.rawId), type: credential.type, response: told,
    authenticatorAttachment: credential.authenticatorAttachment, clientExtensionResults: {},
  });
}

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const body = new URLSearchParams({ form_token: form.elements.form_token.value });
  const answer = await fetch(form.dataset.optionsFrom, { method: "POST", body });
  if (!answer.ok) throw new Error("refused");
  const { token, options } = await answer.json();
  form.elements.token.value = token;
  return options;
}

async function ask(form) {
  const fault = form.querySelector("[data-webauthn-fault]");
  fault.hidden = true;
  try {
    const publicKey = read(await optionsOf(form));
    const how = form.dataset.webauthn === "create" ? "create" : "get";
    form.elements.credential.value = write(await navigator.credentials[how]({ publicKey }));
    form.submit();
  } catch (error) {
    fault.textContent = error.name === "InvalidStateError"
      ? "This key is registered already."
      : "The browser got no answer from a key. Try again, or choose another way.";
    fault.hidden = false;
  }
}

for (const form of document.querySelectorAll("[data-webauthn]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  form.querySelector("button").addEventListener("click", () => ask(form));
  if ("atOnce" in form.dataset) ask(form);
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => print());
}
