"""Neural-network and classical force fields: from DFT data to a running potential."""
