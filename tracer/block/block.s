// Empty: a package with functions that have no body needs a file in assembler.
