"""Injected orders, an agent that obeys them, and a watch over everything that leaves the account.

`cases` is the corpus: who wrote what, where the words stand, what they demand, in which form. `carriers` are
the places where they can stand, `orders` is the language of the demands and `forms` what it is wrapped in.
`agent` reads as an ordinary agent does and obeys every order; `watch` and `outgoing` see what others, web
servers and name servers got of it. `trial` brings them together in a `world`.
"""
