"""How the models of the zoo are made, one file each: data, build, train and measure."""
