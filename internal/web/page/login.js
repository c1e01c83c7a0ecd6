// A link may carry the token in its fragment, which browsers do not send: it goes into the
// form, and out of the address bar and the history at once.
const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get('token');
if (token) {
  history.replaceState(null, '', location.pathname + location.search);
  const form = document.querySelector('form');
  form.elements.token.value = token;
  form.submit();
}
