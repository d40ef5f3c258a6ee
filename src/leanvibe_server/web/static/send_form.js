// A page whose only form carries a message on: it is sent as soon as the page is there.
document.querySelector("form[data-send]").submit();
