// A metadata file is put into the field where it could be pasted as well.
const picker = document.querySelector("[data-metadata-file]");
const field = document.getElementById("metadata_xml");

if (picker && field) {
  picker.hidden = false;
  picker.querySelector("input").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) field.value = await file.text();
  });
}
