// Before the first paint: a theme that was chosen by hand. A file of its own, because the policy forbids inline scripts.
(function () {
  try {
    var theme = localStorage.getItem("strawboss.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system's scheme holds.
  }
})();
