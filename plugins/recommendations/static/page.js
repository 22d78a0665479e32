// Nothing here is needed: without it the page follows the system's theme, and links to Airflow open in place.
"use strict";

// Airflow remembers the chosen theme under this name; its pages and these share an origin.
function followTheme() {
  const theme = localStorage.getItem("theme");
  document.documentElement.style.colorScheme = theme === "light" || theme === "dark" ? theme : "";
}
followTheme();
addEventListener("storage", followTheme);

// Inside Airflow the page is framed and may not move the window by itself: Airflow's own page has to follow the link.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[target=_top]");
  if (!link || window.parent === window || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const own = window.parent.document.createElement("a");
  own.href = link.href;
  window.parent.document.body.append(own);
  own.click();
  own.remove();
});
