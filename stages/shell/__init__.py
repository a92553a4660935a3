"""What commands share: the console, ranks, trials. Nothing here can change a number."""
